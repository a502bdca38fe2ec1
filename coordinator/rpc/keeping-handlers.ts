import { RpcError } from '../../common/errors.js'
import type { AuditRequest__Output } from '../../proto/gen/spell/v1/AuditRequest.js'
import type { BackupRequest__Output } from '../../proto/gen/spell/v1/BackupRequest.js'
import type { RepairRequest__Output } from '../../proto/gen/spell/v1/RepairRequest.js'
import type { AuditEntry } from '../audit/audit-entry.js'
import { type Handlers, serverStream, unary } from './call.js'
import type { ClusterFacts } from './cluster-handlers.js'
import type { UserCall } from './user-call.js'

const usualAuditEntries = 50
const maxAuditEntries = 10_000

export interface KeepingParts {
  facts(): ClusterFacts
  /** The whole of etcd at a moment that is not before the call. */
  snapshot(signal: AbortSignal): AsyncIterable<Buffer>
  /** The newest entries of this coordinator's audit log, oldest of them first. */
  audit(count: number, wanted: (entry: AuditEntry) => boolean): Promise<readonly AuditEntry[]>
  now(): number
  /** Empty: it is not on this machine. */
  readonly storeDirectory: string
  /** The coordinator that has it; empty: each has. */
  readonly storeHome: string
  readonly clusterKeyFile: string
}

export function keepingHandlers(parts: KeepingParts): Handlers<UserCall> {
  return {
    'Keeping/Backup': serverStream<BackupRequest__Output, UserCall>(async function* (_, call) {
      yield { facts: await backupFacts(parts, call) }
      for await (const data of parts.snapshot(call.signal)) yield { data }
    }),
    'Keeping/Repair': unary<RepairRequest__Output, UserCall>(async ({ force }, { leader }) => {
      const { before, counter, restored, shown, unheard } = await leader.keeping.repair({ force })
      return {
        newestRunIdBefore: before,
        newestRunId: counter,
        restored,
        shown: [...shown].map(([by, runId]) => ({ by, runId })),
        unheardNodes: unheard,
      }
    }),
    'Keeping/Audit': serverStream<AuditRequest__Output, UserCall>(async function* ({ limit, user }) {
      if (limit > maxAuditEntries)
        throw new RpcError(
          'INVALID_ARGUMENT',
          `At most ${maxAuditEntries} entries of the audit log at once.`,
          {
            field: 'limit',
          },
        )
      const count = limit || usualAuditEntries
      const entries = await parts.audit(count, (entry) => user === '' || entry.user === user)
      const coordinatorId = parts.facts().leaderId
      for (const entry of entries) yield { ...entry, coordinatorId }
    }),
  }
}

async function backupFacts(parts: KeepingParts, { leader }: UserCall): Promise<object> {
  const { name, generation, version } = parts.facts()
  // What is counted is committed before the snapshot begins.
  const { newestRunId } = await leader.keeping.settled()
  return {
    clusterName: name,
    generation,
    version,
    newestRunId,
    takenAtMs: parts.now(),
    storeDirectory: parts.storeDirectory,
    storeHome: parts.storeHome,
    clusterKeyFile: parts.clusterKeyFile,
  }
}
