import type { Clock } from '../common/clock.js'
import type { EtcdSize } from './etcd-size.js'
import type { Gauged } from './metrics.js'
import type { RunningTerm } from './term.js'

/** What a coordinator's numbers are at the moment; a follower has few of them. */
export function gaugesOf(term: RunningTerm | undefined, size: EtcdSize, _clock: Clock): Gauged {
  const stats = term?.queue.stats()
  return {
    leading: term?.leadership.isLeading() ?? false,
    heartbeatAgesMs: [],
    runsByState: {},
    queueLength: 0,
    queueHeadAgeMs: 0,
    etcdBytes: size.bytes,
    waitingUnits: stats?.waitingUnits ?? 0,
    waitingBytes: stats?.waitingBytes ?? 0,
    logBytesWaiting: 0,
  }
}
