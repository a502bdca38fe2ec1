import { connectivityState } from '@grpc/grpc-js'

/** Of a grpc-js client what tells whether it is connected. */
export interface Connecting {
  getChannel(): {
    getConnectivityState(tryToConnect: boolean): connectivityState
    watchConnectivityState(
      current: connectivityState,
      deadline: number,
      callback: (error?: Error) => void,
    ): void
  }
}

/** Begins to connect where that isn't done. false: it failed, or took until `deadline` (of Date.now). */
export function untilConnected(client: Connecting, deadline: number): Promise<boolean> | boolean {
  const channel = client.getChannel()
  if (channel.getConnectivityState(false) === connectivityState.READY) return true
  return new Promise((resolve) => {
    const look = (late?: Error) => {
      const state = channel.getConnectivityState(true)
      if (state === connectivityState.READY) resolve(true)
      else if (late || state === connectivityState.SHUTDOWN || state === connectivityState.TRANSIENT_FAILURE)
        resolve(false)
      else channel.watchConnectivityState(state, deadline, look)
    }
    look()
  })
}
