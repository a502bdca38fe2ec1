import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '../../common/clock.js'
import { messageOf, RpcError } from '../../common/errors.js'
import type { Log } from '../../common/log.js'
import { DirectoryStore } from '../../spellfs/directory-store.js'
import type { ObjectStore } from '../../spellfs/object-store.js'
import { markDirectoryStore } from '../../spellfs/store-mark.js'
import { DirectoryLogStore, defaultLogStoreSettings } from '../logs/directory-log-store.js'
import type { LogStore } from '../logs/log-store.js'
import type { CoordinatorSettings } from '../settings.js'
import { readTls, type TlsFiles } from '../tls-files.js'
import { HomeChannel } from './home-channel.js'
import { type ActingLeader, LeaderFence } from './leader-fence.js'
import { RemoteLogStore } from './remote-log-store.js'
import { RemoteStore } from './remote-store.js'
import type { Served } from './served.js'
import { storePlaceOf } from './store-place.js'

/** The store that a coordinator works with, wherever it is. */
export interface Stores {
  readonly objects: ObjectStore
  readonly logs: LogStore
  /** What other coordinators are given; undefined: it is not at home here. */
  readonly served: Served | undefined
  /** Makes it this cluster's, before anything was ever committed. Safe to repeat; rejects where it can't be. */
  mark(): Promise<void>
  /** This coordinator leads from now on. */
  leads(leader: ActingLeader): Promise<void>
  /** Another certificate is to be shown. */
  show(tls: TlsFiles): void
  close(): Promise<void>
}

export interface StoresParts {
  readonly clock: Clock
  readonly log: Log
  /** Where a coordinator answers others, `host:port`; undefined: it is not among those that run. */
  addressOf(coordinatorId: string): Promise<string | undefined>
  /** Told each time that the store is away. */
  failed(): void
  logSynced(): void
}

export function makeStores(settings: CoordinatorSettings, parts: StoresParts): Stores {
  const place = storePlaceOf(settings)
  return place.kind === 'here'
    ? storesHere(place, settings.clusterName, parts)
    : storesElsewhere(place.homeId, settings, parts)
}

function storesHere(
  { directory, isHome }: { readonly directory: string; readonly isHome: boolean },
  cluster: string,
  { clock, log, failed, logSynced }: StoresParts,
): Stores {
  const objects = new DirectoryStore({ directory, cluster }, clock, failed)
  const logs = new DirectoryLogStore(
    { ...defaultLogStoreSettings, directory: join(directory, '.spell/logs') },
    { clock, checkPresent: () => objects.checkPresent(), synced: logSynced },
  )
  const fence = new LeaderFence()
  const tidyUp = () =>
    objects.removeLeftovers().catch((error: unknown) => {
      log.debug('The store was not tidied up', { reason: messageOf(error) })
    })
  // Its home may never lead.
  if (isHome) void tidyUp()
  return {
    objects,
    logs,
    served: isHome ? { objects, logs, fence, id: randomUUID() } : undefined,
    mark: () => markDirectoryStore(directory, cluster),
    async leads(leader) {
      fence.pass(leader)
      // Another leader may have written to the store since this one led last.
      await logs.forget()
      void tidyUp()
    },
    show() {},
    close: () => logs.close(),
  }
}

function storesElsewhere(homeId: string, settings: CoordinatorSettings, parts: StoresParts): Stores {
  const { clock, failed, addressOf } = parts
  const home = new HomeChannel(
    { homeId, tls: readTls(settings.tls) },
    { clock, failed, address: () => addressOf(homeId) },
  )
  let acting: ActingLeader = { generation: '', term: 0 }
  const logs = new RemoteLogStore(home)
  return {
    objects: new RemoteStore(home, () => acting),
    logs,
    served: undefined,
    async mark() {
      throw new RpcError(
        'FAILED_PRECONDITION',
        `The cluster is new, and its store is made by the coordinator that is its home, ${homeId}: start that one first.`,
      )
    },
    async leads(leader) {
      acting = leader
    },
    show: (tls) => home.show(tls),
    async close() {
      await logs.close()
      home.close()
    },
  }
}
