import { decode, decodeStatus } from '../../../coordinator/core/record-codec.js'
import type { RequestRecord, RunRecord } from '../../../coordinator/core/records.js'
import { nextState, type RunEventName, runTable } from '../../../coordinator/core/run-states.js'
import { commitRecordFromValue } from '../../../coordinator/store/commit-record.js'
import { type Keys, parseRunKey } from '../../../coordinator/store/keys.js'
import { isFinal, type RunState } from '../../../proto/model/run-state.js'
import type { Change } from './recorder.js'

export interface Audited {
  /** Broken promises, each a sentence. */
  readonly faults: readonly string[]
  /** The newest record of every run that was ever there. */
  readonly runs: ReadonlyMap<number, RunRecord>
  readonly terms: number
  readonly commits: number
  readonly newestRun: number
}

/** What must hold of everything that etcd has ever held, one transaction after another. */
export function audit(changes: readonly Change[], keys: Keys): Audited {
  const state = new Auditor(keys)
  let transaction: Change[] = []
  for (const change of changes) {
    if (transaction[0] && transaction[0].revision !== change.revision) {
      state.take(transaction)
      transaction = []
    }
    transaction.push(change)
  }
  state.take(transaction)
  return state
}

class Auditor implements Audited {
  readonly faults: string[] = []
  readonly runs = new Map<number, RunRecord>()
  readonly #keys: Keys
  readonly #terms = new Set<number>()
  readonly #requests = new Map<string, number>()
  /** Devices by UUID: the attempt that holds each. */
  readonly #held = new Map<string, string>()
  #leaderTerm: number | undefined
  #commit = commitRecordFromValue(undefined)
  newestRun = 0

  constructor(keys: Keys) {
    this.#keys = keys
  }

  get terms(): number {
    return this.#terms.size
  }

  get commits(): number {
    return this.#commit.number
  }

  take(transaction: readonly Change[]): void {
    // The key of the leader that wrote is the one from before: only an election changes it, and writes nothing else.
    const commit = transaction.find(({ key }) => key === this.#keys.commit)
    if (commit) this.#takeCommit(commit)
    // All of it is there at once: the order of its keys says nothing about who let go of a device for whom.
    for (const change of transaction) this.#letGo(change.key)
    for (const change of transaction) {
      const { key, value } = change
      if (key === this.#keys.leader) this.#takeLeader(value)
      else if (key === this.#keys.counter && value !== undefined) this.#takeCounter(value, key)
      else if (key.startsWith(this.#keys.requests) && value !== undefined) this.#takeRequest(value, key)
      else if (parseRunKey(this.#keys, key)?.part === 'status') this.#takeRun(change)
    }
  }

  #takeLeader(value: string | undefined): void {
    this.#leaderTerm = value === undefined ? undefined : (JSON.parse(value) as { term: number }).term
  }

  #takeCommit({ value, revision }: Change): void {
    const record = commitRecordFromValue(value)
    const last = this.#commit
    if (record.number !== last.number + 1)
      this.faults.push(`commit ${record.number} follows ${last.number} (revision ${revision})`)
    if (record.term < last.term) this.faults.push(`term ${record.term} wrote after term ${last.term}`)
    if (this.#leaderTerm !== record.term)
      this.faults.push(`term ${record.term} wrote while ${this.#leaderTerm ?? 'nobody'} led`)
    this.#terms.add(record.term)
    this.#commit = record
  }

  #takeCounter(value: string, key: string): void {
    const { newest } = decode<{ newest: number }>(value, key)
    if (newest < this.newestRun) this.faults.push(`the counter went from ${this.newestRun} to ${newest}`)
    this.newestRun = newest
  }

  #takeRequest(value: string, key: string): void {
    const { requestId, runId } = decode<RequestRecord>(value, key)
    const before = this.#requests.get(requestId)
    if (before !== undefined && before !== runId)
      this.faults.push(`request ${requestId} made run ${before}, then run ${runId}`)
    this.#requests.set(requestId, runId)
  }

  #takeRun(change: Change): void {
    const { key, value } = change
    const id = parseRunKey(this.#keys, key)?.runId ?? 0
    const before = this.runs.get(id)
    if (value === undefined) {
      if (!before || !isFinal(before.state)) this.faults.push(`run ${id} left etcd as ${before?.state}`)
      return
    }
    const record = decodeStatus(value, key)
    if (before) this.#compare(before, record)
    this.#hold(record, change.revision)
    this.runs.set(id, record)
  }

  #compare(before: RunRecord, record: RunRecord): void {
    const { id } = record
    if (isFinal(before.state) && record.state !== before.state)
      this.faults.push(`run ${id} was ${before.state} and became ${record.state}`)
    if (record.attempt < before.attempt || record.attempt > before.attempt + 1)
      this.faults.push(`run ${id} went from attempt ${before.attempt} to ${record.attempt}`)
    const sameAttempt = record.attempt === before.attempt && record.nodeId === before.nodeId
    if (sameAttempt && record.appliedReport < before.appliedReport)
      this.faults.push(
        `run ${id} took report ${record.appliedReport} of attempt ${record.attempt} after ${before.appliedReport}`,
      )
    if (before.manifestSha256 && sameAttempt && record.manifestSha256 !== before.manifestSha256)
      this.faults.push(`the outputs of run ${id} were changed`)
    const path = record.states.map(({ state }) => state)
    const past = before.states.map(({ state }) => state)
    if (past.some((state, index) => state !== path[index]))
      this.faults.push(`run ${id} had been ${past.join(' ')} and then had been ${path.join(' ')}`)
    for (let index = past.length; index < path.length; index += 1)
      if (!follows(path[index - 1], path[index]))
        this.faults.push(`run ${id} went from ${path[index - 1]} to ${path[index]}`)
  }

  #letGo(key: string): void {
    const before = this.runs.get(parseRunKey(this.#keys, key)?.runId ?? 0)
    if (!before || parseRunKey(this.#keys, key)?.part !== 'status') return
    for (const { attempt, gpuUuids } of before.holdings)
      for (const uuid of gpuUuids)
        if (this.#held.get(uuid) === `${before.id}.${attempt}`) this.#held.delete(uuid)
  }

  #hold({ id, holdings }: RunRecord, revision: number): void {
    for (const { attempt, gpuUuids } of holdings)
      for (const uuid of gpuUuids) {
        const other = this.#held.get(uuid)
        if (other)
          this.faults.push(`${uuid} was promised to ${other} and to ${id}.${attempt} (revision ${revision})`)
        this.#held.set(uuid, `${id}.${attempt}`)
      }
  }
}

function follows(from: RunState | undefined, to: RunState | undefined): boolean {
  if (from === undefined || to === undefined) return false
  return (Object.keys(runTable[from]) as RunEventName[]).some((event) => nextState(from, event) === to)
}
