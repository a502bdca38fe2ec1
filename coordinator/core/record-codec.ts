import { RpcError } from '../../common/errors.js'
import type { RunState } from '../../proto/model/run-state.js'
import type { RunOrigin, RunRecord } from './records.js'

// How records are written: JSON with the schema's version in `v`. A version that this program does not know is refused
// by name, so that an older coordinator never guesses at a newer one's records (rule 11). Fields that hold their usual
// value are left out: a run's status is written about seven times in its life.

/** The version that this program works with; core/schema.ts has what differs from the one before. */
export const schemaVersion = 1

/** Of a run whose environment variables are sealed: a coordinator that would hand them on as they are must not lead. */
const sealedSchemaVersion = 2

export function encode(record: object): string {
  return JSON.stringify({ v: schemaVersion, ...record })
}

/** FAILED_PRECONDITION: a record of an unknown version. Throws on what is none at all. `what` names it in the error. */
export function decode<T>(value: string, what: string): T {
  return decodeOf<T>([schemaVersion], value, what).record
}

function decodeOf<T>(
  versions: readonly number[],
  value: string,
  what: string,
): { readonly record: T; readonly version: number } {
  const parsed: unknown = JSON.parse(value)
  const version = typeof parsed === 'object' && parsed !== null && 'v' in parsed ? parsed.v : undefined
  if (typeof version !== 'number' || !versions.includes(version)) {
    throw new RpcError(
      'FAILED_PRECONDITION',
      `The record ${what} has schema version ${String(version)}; this coordinator reads ${versions.join(', ')}. Upgrade it.`,
    )
  }
  const { v: _, ...record } = parsed as { v: number }
  return { record: record as T, version }
}

export function encodeOrigin({ envSealed, ...origin }: RunOrigin): string {
  return JSON.stringify({ v: envSealed ? sealedSchemaVersion : schemaVersion, ...origin })
}

export function decodeOrigin(value: string, what: string): RunOrigin {
  const { record, version } = decodeOf<RunOrigin>([schemaVersion, sealedSchemaVersion], value, what)
  const { spec, ...rest } = record
  return {
    ...rest,
    ...(version === sealedSchemaVersion && { envSealed: true }),
    spec: {
      ...spec,
      // JSON has no undefined: fields that were left out come back as what they were.
      project: spec.project,
      resumeFrom: spec.resumeFrom,
      tensorboardDir: spec.tensorboardDir,
      environment: {
        ...spec.environment,
        framework: spec.environment.framework,
        dockerImage: spec.environment.dockerImage,
        condaFile: spec.environment.condaFile,
      },
      limits: {
        ...spec.limits,
        timeoutMs: spec.limits.timeoutMs,
        graceMs: spec.limits.graceMs,
        diskBytes: spec.limits.diskBytes,
      },
    },
  }
}

/** States as [state, entered, lasted]; whatever is as in a new run is absent. */
type StoredStatus = Partial<Omit<RunRecord, 'states'>> &
  Pick<RunRecord, 'id' | 'state'> & { readonly states: readonly (readonly [RunState, number, number])[] }

const usual = {
  attempt: 0,
  nodeId: undefined,
  holdings: [],
  machineType: '',
  gpuUuids: [],
  replaceable: false,
  lostAfterMs: 0,
  intent: 'none',
  appliedReport: 0,
  exitCode: undefined,
  outOfMemory: false,
  endedBy: undefined,
  reason: '',
  failedStep: undefined,
  logBytes: 0,
  manifestSha256: undefined,
  savedFiles: 0,
  savedBytes: 0,
  dockerImageDigest: undefined,
  notes: [],
  labels: [],
  project: undefined,
  archived: false,
} as const satisfies Omit<RunRecord, 'id' | 'state' | 'states'>

const optionalFields = Object.entries(usual) as [keyof typeof usual, unknown][]

export function encodeStatus(record: RunRecord): string {
  const stored: Record<string, unknown> = {
    v: schemaVersion,
    id: record.id,
    state: record.state,
    states: record.states.map(({ state, enteredAtMs, durationMs }) => [state, enteredAtMs, durationMs]),
  }
  for (const [name, value] of optionalFields) {
    const own = record[name]
    if (own !== value && !(Array.isArray(own) && own.length === 0)) stored[name] = own
  }
  return JSON.stringify(stored)
}

export function decodeStatus(value: string, what: string): RunRecord {
  const stored = decode<StoredStatus>(value, what)
  return {
    ...usual,
    ...stored,
    states: stored.states.map(([state, enteredAtMs, durationMs]) => ({ state, enteredAtMs, durationMs })),
  }
}
