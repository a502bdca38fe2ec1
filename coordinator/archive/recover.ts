import { messageOf, RpcError } from '../../common/errors.js'
import { isFinal } from '../../proto/model/run-state.js'
import type { Term } from '../leader/term.js'
import { type ArchivedRun, runOf } from './segment.js'

const segments = '.spell/archive'
const pageSize = 1_000
/** Runs whose commits are awaited together. */
const together = 100

/**
 * After a restored backup: segments that were written since are in the store, and etcd does not name them. Their runs come
 * back to etcd, as finished ones, and leave it again for segments that it names; runs that the backup still shows as
 * going on get the end that they had. Safe to repeat. FAILED_PRECONDITION while the store is away.
 */
export async function recoverArchive(term: Term): Promise<void> {
  const { log } = term.parts
  const named = new Set([...term.memory.segments.values()].map(({ object }) => object))
  let count = 0
  for (const object of await segmentObjects(term)) {
    if (named.has(object)) continue
    try {
      count += await takeBack(term, await read(term, object))
    } catch (error) {
      if (error instanceof RpcError && error.code === 'UNAVAILABLE') throw away(error)
      log.error('A segment of the archive that the backup does not know is damaged', { object, error })
    }
  }
  if (count > 0) log.info('Runs that the backup does not know were found in the archive', { count })
}

async function segmentObjects({ parts }: Term): Promise<readonly string[]> {
  const names: string[] = []
  for (;;) {
    const after = names.at(-1)
    const page = await parts.objects
      .list(segments, { limit: pageSize, ...(after !== undefined && { after }) })
      .catch((error: unknown) => {
        throw away(error)
      })
    names.push(...page.objects.map(({ name }) => name))
    if (!page.more) return names.filter((name) => name.endsWith('.jsonl'))
  }
}

async function read({ parts }: Term, object: string): Promise<readonly ArchivedRun[]> {
  const bytes: Buffer[] = []
  for await (const part of parts.objects.read(object)) bytes.push(part)
  const lines = Buffer.concat(bytes).toString('utf8').split('\n').slice(0, -1)
  return lines.map((line) => runOf(line, `in ${object}`, parts.loaded.schema))
}

/** Says how many were not known, or not as finished. */
async function takeBack(term: Term, runs: readonly ArchivedRun[]): Promise<number> {
  const { memory, archive, writes, restoreGuard } = term
  let committed: Promise<void>[] = []
  let count = 0
  for (const { origin, record } of runs) {
    restoreGuard.note(record.id, 'the archive')
    if (archive.has(record.id)) continue
    const known = memory.runs.get(record.id)
    const entry = known ?? memory.runs.add(origin, record, memory.demandOf(origin.spec.machine))
    // It was archived because its agent had let go of it.
    entry.forgotten = true
    if (known && isFinal(known.record.state)) continue
    if (known) memory.runs.set(known, record)
    committed.push(writes.commit(known ? [] : [writes.originPut(origin)]))
    count += 1
    if (committed.length < together) continue
    await Promise.all(committed)
    committed = []
  }
  await Promise.all(committed)
  return count
}

function away(cause: unknown): RpcError {
  return new RpcError(
    'FAILED_PRECONDITION',
    `The cluster was restored from a backup, and what was archived since has to be read from the store first: ${messageOf(cause)}`,
    { cause },
  )
}
