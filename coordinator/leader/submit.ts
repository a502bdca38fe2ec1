import { RpcError } from '../../common/errors.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import { comparable, type Demand, nearNames } from '../core/machine-types.js'
import { encode } from '../core/record-codec.js'
import type { Project, RequestRecord, RunOrigin } from '../core/records.js'
import { newRun } from '../core/run-changes.js'
import type { Memory } from './memory.js'
import { sealedSpec } from './sealed-env.js'
import type { Term } from './term.js'
import type { Put, RequestName, Submission, Submitted } from './types.js'

/** A run's spec beyond this is refused: it must fit one transaction with its neighbours. */
export const maxSpecBytes = 640 * 1024

/**
 * Answers once etcd has the run. All checks come first, then memory and the commit queue change in one go, so that nothing
 * can come between an id and its run.
 */
export async function submitRun(term: Term, submission: Submission): Promise<Submitted> {
  const { memory, writes, parts, highestRun } = term
  const { user, requestId, requestHash, spec } = submission
  if (highestRun.firstAnswer) await highestRun.firstAnswer
  const before = answeredBefore(term, submission)
  if (before) return await before
  checkRoom(term)
  const demand = checkMachine(memory, spec)
  const nowMs = parts.clock.now()
  const id = memory.counter + 1
  const origin: RunOrigin = {
    ...{ id, creator: user.name, createdAtMs: nowMs, requestId },
    ...sealedSpec(parts.trust.clusterKey, id, spec),
  }
  const specPut = writes.originPut(origin)
  const specBytes = Buffer.byteLength(specPut.value)
  if (specBytes > maxSpecBytes) {
    throw new RpcError(
      'INVALID_ARGUMENT',
      `The request takes ${specBytes} bytes; ${maxSpecBytes} is the most.`,
      { field: 'spec' },
    )
  }
  memory.counter = origin.id
  const request: RequestRecord = {
    user: user.name,
    requestId,
    runId: origin.id,
    hash: requestHash,
    atMs: nowMs,
  }
  memory.requests.add(request)
  const limit = user.maxConcurrentRuns || Number.POSITIVE_INFINITY
  const state = memory.runs.concurrency.count(user.name) < limit ? 'machine_requested' : 'user_requested'
  memory.runs.add(origin, newRun(origin, { state, machineType: demand.typeName }), demand)
  parts.failpoints.reach('submit.before-commit')
  const committed = writes.commit([
    specPut,
    writes.counterPut(origin.id),
    {
      key: writes.keys.request(user.name, requestId),
      value: encode(request),
      leaseId: parts.requestLeases.current(),
    },
    ...projectPut(term, submission, nowMs),
  ])
  term.wake()
  await committed
  parts.failpoints.reach('submit.after-commit')
  return { runId: origin.id, repeated: false, warnings: warningsFor(memory, demand) }
}

/**
 * The answer to a request that made a run already, whatever has changed since; undefined: it is a new one. Throws
 * ALREADY_EXISTS when its id was used for another.
 */
export function answeredBefore(term: Term, request: RequestName): Promise<Submitted> | undefined {
  const { user, requestId, requestHash, earlierHash } = request
  const runId = term.memory.requests.find(user.name, requestId, [requestHash, earlierHash])
  if (runId === undefined) return undefined
  return term.writes.seen().then(() => ({ runId, repeated: true, warnings: [] }))
}

function checkRoom(term: Term): void {
  const { memory, parts, settings, restoreGuard, writes } = term
  restoreGuard.check(memory.counter)
  memory.requests.checkRoom(parts.clock.now())
  const { bytes, quotaBytes } = parts.etcdSize()
  if (quotaBytes > 0 && bytes > quotaBytes * settings.maxEtcdShare) {
    throw new RpcError(
      'RESOURCE_EXHAUSTED',
      `etcd holds ${megabytes(bytes)} of its ${megabytes(quotaBytes)}: no run is accepted until finished ones have left it.`,
    )
  }
  writes.checkRoom()
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`
}

function checkMachine(memory: Memory, spec: RunSpec): Demand {
  if (spec.nodeCount > 1) {
    throw new RpcError(
      'UNIMPLEMENTED',
      'Runs on several machines at once (--distributed) come with a later version.',
    )
  }
  const demand = memory.knownDemand(spec.machine)
  if (demand) return demand
  const name = spec.machine.kind === 'type' ? spec.machine.name : ''
  const near = nearNames(name, new Map([...memory.models, ...madeNames(memory)]))
  const hint =
    near.length > 0 ? `Did you mean ${orList(near)}?` : `The pool has ${orList(typesThere(memory))}.`
  throw new RpcError('INVALID_ARGUMENT', `There is no machine type ${JSON.stringify(name)}. ${hint}`, {
    field: 'spec.machine.type_name',
  })
}

function* madeNames({ machineTypes }: Memory): Iterable<readonly [string, string]> {
  for (const [form, { name }] of machineTypes) yield [form, name]
}

function typesThere(memory: Memory): readonly string[] {
  const types = new Map([['cpu', 'CPU']])
  for (const node of memory.runs.placement.pool.nodes.values())
    for (const { type } of node.devices) types.set(comparable(type), type)
  for (const [form, { name }] of memory.machineTypes) types.set(form, name)
  return [...types.values()].slice(0, 10)
}

function orList(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

function projectPut(term: Term, { user, spec }: Submission, createdAtMs: number): readonly Put[] {
  if (spec.project === undefined || term.memory.projects.has(spec.project)) return []
  const project: Project = {
    ...{ name: spec.project, description: '', creator: user.name, createdAtMs, archived: false },
  }
  term.memory.projects.set(project.name, project)
  return [{ key: term.writes.keys.project(project.name), value: encode(project) }]
}

function warningsFor(memory: Memory, demand: Demand): readonly string[] {
  for (const node of memory.runs.placement.pool.nodes.values()) {
    if (demand.gpuCount === 0 || memory.runs.placement.pool.sorts(node, demand, 'own').size > 0) return []
  }
  return demand.gpuCount === 0
    ? ['The pool has no nodes yet; the run waits until one joins.']
    : [`No node of the pool has a ${demand.typeName} now; the run waits until one joins.`]
}
