import {
  assignmentFromWire,
  assignmentToWire,
  reportFromWire,
  reportToWire,
} from '../../proto/convert/attempt.js'
import type { Assignment__Output } from '../../proto/gen/spell/v1/Assignment.js'
import type { Report__Output } from '../../proto/gen/spell/v1/Report.js'
import type { Assignment, Report } from '../../proto/model/attempt.js'
import { codec } from '../../proto/wire.js'
import type { Prepared } from '../runtimes/runtime.js'
import type { Intent } from './intent.js'

// The payloads of the journal's entries. Times are of the boot clock, in milliseconds, 8 bytes before the message; an
// assignment has its boot's id too.

/** What is kept of an attempt beside assignment and reports. */
export type Fact =
  | {
      /** The command is about to be started: from here on it may run, and code is not placed again. */
      readonly kind: 'starting'
      readonly bootId: string
      readonly workingDirectory: string
      readonly imageDigest: string | undefined
      readonly owner: Prepared['owner']
    }
  // Its time is for people, and for an earlier version of the agent: no deadline is counted from a wish.
  | { readonly kind: 'intent'; readonly intent: Intent; readonly bootId: string; readonly atMs: number }

const assignments = codec<Assignment__Output>('Assignment')
const reports = codec<Report__Output>('Report')

export interface Assigned {
  readonly assignment: Assignment
  readonly bootId: string
  readonly atMs: number
}

export interface DatedReport {
  readonly report: Report
  readonly atMs: number
}

export function encodeAssigned({ assignment, bootId, atMs }: Assigned): Buffer {
  const id = Buffer.from(bootId)
  const message = assignments.encode(assignmentToWire(assignment))
  return Buffer.concat([dateOf(atMs), Buffer.from([id.length]), id, message])
}

export function decodeAssigned(payload: Buffer): Assigned {
  const idEnd = 9 + (payload[8] ?? 0)
  return {
    assignment: assignmentFromWire(assignments.decode(payload.subarray(idEnd))),
    bootId: payload.toString('utf8', 9, idEnd),
    atMs: payload.readDoubleLE(0),
  }
}

export function encodeReport({ report, atMs }: DatedReport): Buffer {
  return Buffer.concat([dateOf(atMs), reports.encode(reportToWire(report))])
}

export function decodeReport(payload: Buffer): DatedReport {
  return { report: reportFromWire(reports.decode(payload.subarray(8))), atMs: payload.readDoubleLE(0) }
}

export function encodeFact(fact: Fact): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, ...fact }))
}

export function decodeFact(payload: Buffer): Fact {
  return JSON.parse(payload.toString()) as Fact
}

function dateOf(atMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeDoubleLE(atMs)
  return bytes
}
