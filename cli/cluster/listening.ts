import { connect } from 'node:net'
import type { Clock } from '../../common/clock.js'

const lookMs = 50

/** Resolves when something accepts connections at `host:port`; rejects when the signal aborts first. */
export async function answersAt(address: string, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!(await accepts(address))) await clock.sleep(lookMs, signal)
}

async function accepts(address: string): Promise<boolean> {
  const at = address.lastIndexOf(':')
  const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)) })
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
  } finally {
    socket.destroy()
  }
}
