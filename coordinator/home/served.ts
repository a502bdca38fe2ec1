import { RpcError } from '../../common/errors.js'
import type { ObjectStore } from '../../spellfs/object-store.js'
import type { LogStore } from '../logs/log-store.js'
import type { LeaderFence } from './leader-fence.js'

/** A store that is at home on this coordinator. */
export interface Served {
  readonly objects: ObjectStore
  readonly logs: LogStore
  readonly fence: LeaderFence
  /** Made at random at each start. */
  readonly id: string
}

/** UNAVAILABLE: no store is at home here. */
export function orRefuse(served: Served | undefined): Served {
  if (served) return served
  throw new RpcError('UNAVAILABLE', 'The store is not at home on this coordinator (setting storeHome).')
}
