import { RpcError } from '../../../common/errors.js'
import type { Channel } from '../../../proto/channel.js'
import { method } from '../../../proto/wire.js'

/** A leader is there when a call is answered. */
export async function untilLed(channel: Channel): Promise<void> {
  for (;;) {
    const error = await channel.call(method('Account', 'WhoAmI'), {}).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (error === undefined) return
    if (!(error instanceof RpcError) || error.code !== 'UNAVAILABLE') throw error
  }
}
