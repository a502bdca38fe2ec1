import { NodeLinks } from '../agents/node-links.js'
import { Archive } from '../archive/archive.js'
import { RestoreGuard } from './restore-guard.js'
import type { Term } from './term.js'
import type { LeaderParts, LeaderSettings } from './types.js'
import { viewOf } from './views.js'
import { Watchers } from './watchers.js'
import { Writes } from './writes.js'

/** Puts a term's parts together over what etcd holds. */
export function makeTerm(settings: LeaderSettings, parts: LeaderParts, wake: () => void): Term {
  const memory = parts.loaded.finish()
  const links = new NodeLinks(parts.clock, settings)
  const watchers = new Watchers()
  const writes = new Writes(parts, memory.runs, watchers, (entry) => viewOf(memory, links, entry))
  const archive = new Archive(
    settings.archive,
    {
      ...{ clock: parts.clock, log: parts.log, failpoints: parts.failpoints, objects: parts.objects },
      ...{ runs: memory.runs, writes, term: settings.term, counter: () => memory.counter },
    },
    memory.segments.values(),
  )
  const restoreGuard = new RestoreGuard()
  restoreGuard.note(archive.index.highestRunId, 'the newest archive segment')
  const closing = new AbortController()
  return { settings, parts, memory, writes, watchers, links, archive, restoreGuard, closing, wake }
}
