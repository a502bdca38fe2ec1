import { RpcError } from '../../common/errors.js'
import type { LiveCall } from '../rpc/call.js'

/** A call of another coordinator, answered whether this one leads or not. A coordinator is who its certificate says. */
export class CoordinatorCall {
  readonly id: string
  readonly #live: LiveCall

  constructor(live: LiveCall) {
    this.id = coordinatorIdOf(live)
    this.#live = live
  }

  /** Aborted when the caller has gone or this coordinator is being stopped. */
  get signal(): AbortSignal {
    return this.#live.signal
  }
}

/** From the common name `coordinator:<id>`. Throws PERMISSION_DENIED for a certificate of anything else. */
function coordinatorIdOf(live: LiveCall): string {
  const id = /^coordinator:(.+)$/.exec(live.commonName ?? '')?.[1]
  if (id !== undefined) return id
  throw new RpcError(
    'PERMISSION_DENIED',
    "Only coordinators may call this, and the certificate shown is no coordinator's.",
  )
}
