import type { Clock, Timer } from '../../common/clock.js'
import { messageOf } from '../../common/errors.js'
import type { Watch } from './etcd.js'
import type { DuplexStream, RawClient } from './etcd-client.js'

const reopenMs = 200

export interface WatchOptions {
  readonly key: string
  readonly wake: () => void
  readonly clock: Clock
}

/**
 * Watches one key. It wakes on every sign of life, its own beginning included, because what was missed while no watch
 * stood is found by reading; a stream that breaks is opened again after a while. One that goes silent is not noticed
 * here: whoever waits reads now and then anyway.
 */
export function watchKey(connect: () => Promise<RawClient>, options: WatchOptions): Watch {
  let stopped = false
  let stream: DuplexStream | undefined
  let timer: Timer | undefined

  const open = async () => {
    const client = await connect()
    if (stopped) return
    const invoke = client.watch as () => DuplexStream
    const opened = invoke.call(client)
    stream = opened
    opened.on('data', () => {
      if (!stopped) options.wake()
    })
    const broken = () => {
      if (stream === opened) reopen()
    }
    opened.on('error', broken)
    opened.on('end', broken)
    opened.write({ create_request: { key: Buffer.from(options.key) } })
  }
  const reopen = () => {
    const broken = stream
    stream = undefined
    broken?.cancel()
    timer?.cancel()
    if (!stopped) timer = options.clock.timer(reopenMs, start)
  }
  const start = () => {
    open().catch((error: unknown) => {
      // Only a closed client cannot even begin; there is nobody left to wake then.
      if (!messageOf(error).includes('closed')) reopen()
    })
  }
  start()
  return {
    stop() {
      stopped = true
      timer?.cancel()
      const open = stream
      stream = undefined
      open?.cancel()
    },
  }
}
