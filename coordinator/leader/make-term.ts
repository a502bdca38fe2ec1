import { NodeLinks } from '../agents/node-links.js'
import { Archive } from '../archive/archive.js'
import { OpenCalls } from '../people/open-calls.js'
import { HighestRun } from './highest-run.js'
import { RaiseSchema } from './raise-schema.js'
import { RestoreGuard } from './restore-guard.js'
import type { Term } from './term.js'
import type { LeaderParts, LeaderSettings } from './types.js'
import { viewOf } from './views.js'
import { Watchers } from './watchers.js'
import { Writes } from './writes.js'

/** Puts a term's parts together over what etcd holds. */
export function makeTerm(settings: LeaderSettings, parts: LeaderParts, wake: () => void): Term {
  const memory = parts.loaded.finish()
  const { schema } = parts.loaded
  const links = new NodeLinks(parts.clock, settings)
  const watchers = new Watchers()
  const writes = new Writes(parts, memory.runs, watchers, (entry) => viewOf(memory, links, entry))
  const restoreGuard = new RestoreGuard()
  const closing = new AbortController()
  const { clock, log, failpoints, objects } = parts
  const highestRun = new HighestRun({
    ...{ clock, log, objects, memory, writes, restoreGuard, schema, signal: closing.signal },
    isLeading: () => parts.isLeading(),
  })
  const archive = new Archive(
    settings.archive,
    {
      ...{ clock, log, failpoints, objects, runs: memory.runs, writes, schema, term: settings.term },
      noteHighest: () => highestRun.note(),
    },
    memory.segments.values(),
  )
  restoreGuard.restored = memory.restored
  restoreGuard.note(archive.index.highestRunId, 'the newest archive segment')
  // Runs that an earlier leader took over from their nodes are ahead of a counter that nobody has repaired yet.
  for (const { record } of memory.runs.entries()) restoreGuard.note(record.id, 'etcd itself')
  return {
    settings,
    parts,
    memory,
    writes,
    watchers,
    links,
    archive,
    restoreGuard,
    highestRun,
    raiseSchema: new RaiseSchema(settings.raiseSchemaAfterMs, {
      ...{ clock, log, schema, writes },
      recordVersions: () => parts.recordVersions(),
    }),
    openCalls: new OpenCalls(),
    closing,
    wake,
  }
}
