import { RpcError } from '../../common/errors.js'
import { comparable, nearNames } from '../core/machine-types.js'
import { type MadeType, madeKey, nameRefusal } from '../core/made-types.js'
import { encode } from '../core/record-codec.js'
import type { User } from '../core/records.js'
import type { Term } from './term.js'

const mostTypes = 500

/** Machine types that administrators make. Answers come after what they tell is committed. */
export class TypeAdmin {
  readonly #term: Term

  constructor(term: Term) {
    this.#term = term
  }

  async list(): Promise<readonly MadeType[]> {
    await this.#term.writes.seen()
    return [...this.#term.memory.machineTypes.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** ALREADY_EXISTS: the name is taken. INVALID_ARGUMENT: no such GPU is known. */
  async add(user: User, wanted: Omit<MadeType, 'by' | 'createdAtMs'>): Promise<MadeType> {
    const { memory, parts } = this.#term
    const refusal = nameRefusal(wanted.name, memory.models, memory.machineTypes)
    if (refusal !== undefined)
      throw new RpcError(
        memory.knownDemand(named(wanted.name)) ? 'ALREADY_EXISTS' : 'INVALID_ARGUMENT',
        refusal,
      )
    if (memory.machineTypes.size >= mostTypes)
      throw new RpcError(
        'RESOURCE_EXHAUSTED',
        `There are ${mostTypes} made machine types, which is the most; delete one first.`,
      )
    const gpuModel = wanted.gpuModel === '' ? '' : modelNamed(this.#term, wanted.gpuModel)
    return await this.#put({ ...wanted, gpuModel, by: user.name, createdAtMs: parts.clock.now() })
  }

  async scale(name: string, limit: number): Promise<MadeType> {
    return await this.#put({ ...typeNamed(this.#term, name), limit })
  }

  /** FAILED_PRECONDITION: runs of it have not ended. */
  async delete(name: string): Promise<MadeType> {
    const { memory, writes } = this.#term
    const type = typeNamed(this.#term, name)
    const runs = unfinishedOf(this.#term, type)
    if (runs.length > 0)
      throw new RpcError(
        'FAILED_PRECONDITION',
        `Runs of the machine type ${type.name} have not ended: ${runs.slice(0, 10).join(', ')}. Wait for them or stop them.`,
      )
    writes.checkRoom()
    memory.removeMachineType(type.name)
    await writes.commit([], [writes.keys.machineType(comparable(type.name))])
    return type
  }

  async #put(type: MadeType): Promise<MadeType> {
    const { memory, writes } = this.#term
    writes.checkRoom()
    memory.setMachineType(type)
    const key = writes.keys.machineType(comparable(type.name))
    const committed = writes.commit([{ key, value: encode(type) }])
    this.#term.wake()
    await committed
    return type
  }
}

const named = (name: string) => ({ kind: 'type', name }) as const

function typeNamed({ memory }: Term, name: string): MadeType {
  const found = memory.machineTypes.get(comparable(name))
  if (found) return found
  const derived = memory.knownDemand(named(name))
  if (derived)
    throw new RpcError(
      'FAILED_PRECONDITION',
      `The machine type ${derived.typeName} follows from what nodes bring; only made ones are changed.`,
    )
  const known = [...memory.machineTypes.values()].map((type) => type.name).slice(0, 10)
  throw new RpcError(
    'NOT_FOUND',
    `There is no made machine type ${JSON.stringify(name)}; ${known.length === 0 ? 'there is none yet' : `there is ${known.join(', ')}`}.`,
  )
}

/** As the cluster writes it. */
function modelNamed({ memory }: Term, model: string): string {
  const found = memory.models.get(comparable(model))
  if (found !== undefined) return found
  const near = nearNames(model, memory.models)
  const hint = near.length === 0 ? 'No node has brought one yet.' : `Did you mean ${near.join(' or ')}?`
  throw new RpcError('INVALID_ARGUMENT', `There is no GPU model ${JSON.stringify(model)}. ${hint}`)
}

function unfinishedOf({ memory }: Term, type: MadeType): readonly number[] {
  const key = madeKey(type.name)
  return [...memory.runs.active()].filter((id) => memory.runs.get(id)?.demand.key === key)
}
