import { invariant, RpcError } from '../../common/errors.js'
import type { Put } from './etcd.js'

/** What belongs together: all of it is committed in one transaction or none. No key may come twice. */
export interface Unit {
  readonly puts?: readonly Put[]
  readonly deletes?: readonly string[]
}

export interface BatchLimits {
  /** Keys one transaction may touch, the commit record among them: etcd's --max-txn-ops. */
  readonly maxOperations: number
  /** Of one transaction; stays below etcd's --max-request-bytes (1.5 MiB). */
  readonly maxBytes: number
}

/** A put, or a delete when `value` is missing. */
export interface Operation {
  readonly key: string
  readonly value?: string
  readonly leaseId?: string
  readonly bytes: number
}

export interface WaitingUnit {
  readonly operations: readonly Operation[]
  readonly bytes: number
  readonly addedAt: number
  resolve(): void
  reject(reason: unknown): void
}

export interface Batch {
  readonly units: readonly WaitingUnit[]
  readonly operations: ReadonlyMap<string, Operation>
  readonly bytes: number
}

/** Tags and lengths around a key and a value in etcd's request, rounded up. */
const bytesAroundOperation = 32
/** The commit record and the compares. */
const bytesAroundBatch = 1024

export function operationsOf(unit: Unit): readonly Operation[] {
  const puts = (unit.puts ?? []).map((put) => ({ ...put, bytes: bytesOf(put.key, put.value) }))
  const deletes = (unit.deletes ?? []).map((key) => ({ key, bytes: bytesOf(key, '') }))
  const operations = [...puts, ...deletes]
  const keys = new Set(operations.map(({ key }) => key))
  invariant(keys.size === operations.length, 'a unit of the commit queue names each key once')
  return operations
}

/** Why a unit fits no transaction at all, or undefined when it does. */
export function whyTooBig(operations: readonly Operation[], limits: BatchLimits): RpcError | undefined {
  const bytes = sum(operations)
  if (operations.length + 1 > limits.maxOperations) {
    return new RpcError(
      'INVALID_ARGUMENT',
      `This changes ${operations.length} records at once; ${limits.maxOperations - 1} is the most.`,
    )
  }
  if (bytes + bytesAroundBatch > limits.maxBytes) {
    return new RpcError(
      'INVALID_ARGUMENT',
      `This takes ${bytes} bytes in one transaction; ${limits.maxBytes - bytesAroundBatch} is the most.`,
    )
  }
  return undefined
}

/**
 * The longest run of units from the front that fits one transaction, with the newest value of each key. `units` from
 * `start` on is the queue; every unit in it fits by itself.
 */
export function takeBatch(units: readonly WaitingUnit[], start: number, limits: BatchLimits): Batch {
  const operations = new Map<string, Operation>()
  let bytes = bytesAroundBatch
  let end = start
  for (let unit = units[end]; unit; unit = units[end]) {
    const after = sizeAfter(operations, bytes, unit)
    if (after.operations + 1 > limits.maxOperations || after.bytes > limits.maxBytes) break
    for (const operation of unit.operations) operations.set(operation.key, operation)
    bytes = after.bytes
    end += 1
  }
  invariant(end > start, 'a unit that waits in the commit queue fits one transaction')
  return { units: units.slice(start, end), operations, bytes }
}

function sizeAfter(operations: ReadonlyMap<string, Operation>, bytes: number, unit: WaitingUnit) {
  let count = operations.size
  let total = bytes
  for (const { key, bytes: size } of unit.operations) {
    const known = operations.get(key)
    if (!known) count += 1
    total += size - (known?.bytes ?? 0)
  }
  return { operations: count, bytes: total }
}

function sum(operations: readonly Operation[]): number {
  return operations.reduce((total, { bytes }) => total + bytes, 0)
}

function bytesOf(key: string, value: string): number {
  return Buffer.byteLength(key) + Buffer.byteLength(value) + bytesAroundOperation
}
