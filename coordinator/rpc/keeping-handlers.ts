import type { BackupRequest__Output } from '../../proto/gen/spell/v1/BackupRequest.js'
import type { RepairRequest__Output } from '../../proto/gen/spell/v1/RepairRequest.js'
import { type Handlers, serverStream, unary } from './call.js'
import type { ClusterFacts } from './cluster-handlers.js'
import type { UserCall } from './user-call.js'

export interface KeepingParts {
  facts(): ClusterFacts
  /** The whole of etcd at a moment that is not before the call. */
  snapshot(signal: AbortSignal): AsyncIterable<Buffer>
  now(): number
  readonly storeDirectory: string
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
    clusterKeyFile: parts.clusterKeyFile,
  }
}
