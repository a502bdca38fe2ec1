import { createHash } from 'node:crypto'
import { RpcError } from '../../common/errors.js'
import { decodeOrigin, decodeStatus, encodeOrigin, encodeStatus } from '../core/record-codec.js'
import type { RunOrigin, RunRecord, SegmentRecord } from '../core/records.js'
import type { Schema } from '../core/schema.js'

/** A run as a segment holds it. */
export interface ArchivedRun {
  readonly origin: RunOrigin
  readonly record: RunRecord
}

/** A run as a line of a segment: `[spec, status]`, each as etcd had it. */
export interface SegmentLine<Run extends ArchivedRun = ArchivedRun> {
  readonly run: Run
  readonly text: string
}

/** Of as many of the runs, from the first on, as one segment takes; of one at least, where there is one. */
export function linesOf<Run extends ArchivedRun>(
  runs: Iterable<Run>,
  most: { readonly runs: number; readonly bytes: number },
  schema: Schema,
): readonly SegmentLine<Run>[] {
  const lines: SegmentLine<Run>[] = []
  let bytes = 0
  for (const run of runs) {
    const text = `[${schema.toStored(encodeOrigin(run.origin))},${schema.toStored(encodeStatus(run.record))}]\n`
    bytes += Buffer.byteLength(text)
    if (lines.length > 0 && (bytes > most.bytes || lines.length === most.runs)) break
    lines.push({ run, text })
  }
  return lines
}

/**
 * A segment's bytes: its lines, ordered by id. The term is part of the object's name, so that a leader that was deposed
 * while it wrote never touches what its successor has named.
 */
export function makeSegment(
  lines: readonly SegmentLine[],
  name: { readonly number: number; readonly term: number },
): { readonly bytes: Buffer; readonly record: SegmentRecord } {
  const ordered = [...lines].sort((a, b) => a.run.origin.id - b.run.origin.id)
  const bytes = Buffer.from(ordered.map(({ text }) => text).join(''))
  const projects: Record<string, number> = {}
  for (const {
    run: { record },
  } of ordered)
    if (record.project !== undefined) projects[record.project] = (projects[record.project] ?? 0) + 1
  return {
    bytes,
    record: {
      number: name.number,
      object: `.spell/archive/${name.number}.${name.term}.jsonl`,
      sha256: sha256(bytes),
      bytes: bytes.length,
      count: ordered.length,
      ranges: rangesOf(ordered.map(({ run }) => run.origin.id)),
      projects,
    },
  }
}

/** A segment in memory: its lines as they are, parsed when asked for. */
export interface OpenSegment {
  readonly record: SegmentRecord
  readonly lines: readonly string[]
}

/** DATA_LOSS: the bytes are not those that were written. */
export function openSegment(record: SegmentRecord, bytes: Uint8Array): OpenSegment {
  if (sha256(bytes) !== record.sha256)
    throw new RpcError('DATA_LOSS', `The archive's object ${record.object} is damaged: its hash is wrong.`)
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8').split('\n')
  return { record, lines: lines.slice(0, -1) }
}

/** undefined: not in this segment. */
export function runIn(segment: OpenSegment, id: number, schema: Schema): ArchivedRun | undefined {
  const index = indexIn(segment.record.ranges, id)
  const line = index === undefined ? undefined : segment.lines[index]
  if (line === undefined) return undefined
  return runOf(line, `of run ${id}`, schema)
}

/** A line of a segment, without its end. `what` names it in errors. */
export function runOf(line: string, what: string, schema: Schema): ArchivedRun {
  const [origin, record] = JSON.parse(line) as [object, object]
  return {
    origin: decodeOrigin(schema.fromStored(JSON.stringify(origin)), what),
    record: decodeStatus(schema.fromStored(JSON.stringify(record)), what),
  }
}

/** First and last of each unbroken stretch of ascending ids. */
export function rangesOf(ids: readonly number[]): readonly number[] {
  const ranges: number[] = []
  for (const id of ids) {
    if (ranges.length > 0 && ranges.at(-1) === id - 1) ranges[ranges.length - 1] = id
    else ranges.push(id, id)
  }
  return ranges
}

/** Which of the ids it is, counted from 0; undefined: none of them. */
export function indexIn(ranges: readonly number[], id: number): number | undefined {
  let before = 0
  for (let index = 0; index < ranges.length; index += 2) {
    const [first, last] = [ranges[index] ?? 0, ranges[index + 1] ?? 0]
    if (id < first) return undefined
    if (id <= last) return before + id - first
    before += last - first + 1
  }
  return undefined
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
