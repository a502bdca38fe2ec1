import { RpcError } from '../../common/errors.js'
import type { Leader } from '../leader.js'

/** Who leads, as this coordinator knows it at the moment. */
export type Leading =
  | { readonly kind: 'here'; readonly leader: Leader }
  | { readonly kind: 'elsewhere'; readonly userAddress: string; readonly agentAddress: string }
  | {
      readonly kind: 'nobody'
      /** What keeps this coordinator from it, where that does not pass by itself. */
      readonly because?: RpcError | undefined
    }

export function noLeader(): RpcError {
  return new RpcError('UNAVAILABLE', 'No coordinator leads at the moment; one will within seconds.', {
    trailers: { 'retry-after-ms': '500' },
  })
}
