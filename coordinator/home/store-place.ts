import { invariant } from '../../common/errors.js'
import type { CoordinatorSettings } from '../settings.js'

/** Where the object store is, seen from one coordinator. */
export type StorePlace =
  | { readonly kind: 'here'; readonly directory: string; readonly isHome: boolean }
  | { readonly kind: 'elsewhere'; readonly homeId: string }

/** A store without a home is one that all coordinators have. */
export function storePlaceOf({
  id,
  storeDir,
  storeHome,
}: Pick<CoordinatorSettings, 'id' | 'storeDir' | 'storeHome'>): StorePlace {
  if (storeHome !== undefined && storeHome !== id) return { kind: 'elsewhere', homeId: storeHome }
  invariant(storeDir !== undefined, 'settings name the directory of a store that is here')
  return { kind: 'here', directory: storeDir, isHome: storeHome === id }
}
