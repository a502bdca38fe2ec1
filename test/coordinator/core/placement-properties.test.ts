import test from 'ava'
import fc from 'fast-check'
import { gpuSince as since } from '../../../coordinator/core/gpu-owners.js'
import type { Demand } from '../../../coordinator/core/machine-types.js'
import { madeDemand } from '../../../coordinator/core/made-types.js'
import { type Placed, Placement } from '../../../coordinator/core/placement.js'
import { freeFor, runKind } from '../../../coordinator/core/pool.js'
import { gpus, inventory } from '../leader/harness.js'
import { demand, made } from './demands.js'

// Properties over random histories.

const types = ['CPU', 'T4', 'T4x2', 'V100', 'V100x4', 'A100', 'A100-1g.10gb'] as const
const madeTypes = {
  fast: made({ name: 'fast', labels: ['ssd'] }),
  small: made({ name: 'small', gpuModel: 'T4', gpuCount: 1, milliCpus: 500 }),
  roomy: made({ name: 'roomy', storageBytes: 2e12, milliCpus: 0, memoryBytes: 0 }),
} as const
type TypeName = (typeof types)[number] | keyof typeof madeTypes

function demandNamed(name: TypeName): Demand {
  return name in madeTypes ? madeDemand(madeTypes[name as keyof typeof madeTypes]) : demand(name)
}

type Step =
  | { readonly kind: 'submit'; readonly type: TypeName }
  | { readonly kind: 'end'; readonly pick: number }
  | { readonly kind: 'kill'; readonly pick: number }
  | {
      readonly kind: 'node'
      readonly id: number
      readonly gpus: number
      readonly divided: boolean
      /** Its GPUs are the same as those of others of whom that is true. */
      readonly shared: boolean
      readonly model: string
      readonly cpus: number
      readonly disk: number
    }
  | { readonly kind: 'away'; readonly id: number; readonly away: boolean }
  | { readonly kind: 'cordon'; readonly id: number; readonly cordoned: boolean; readonly label: boolean }
  | { readonly kind: 'gone'; readonly id: number }
  | { readonly kind: 'share'; readonly share: number }
  | { readonly kind: 'limit'; readonly type: keyof typeof madeTypes; readonly limit: number }

const id = fc.nat(3)
const madeNames = Object.keys(madeTypes) as (keyof typeof madeTypes)[]
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('submit'), type: fc.constantFrom(...types, ...madeNames) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('end'), pick: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill'), pick: fc.nat(100) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('node'),
      id,
      gpus: fc.nat(8),
      divided: fc.boolean(),
      shared: fc.boolean(),
      model: fc.constantFrom(
        'Tesla T4',
        'Tesla V100-SXM2-16GB',
        'Tesla V100-SXM2-32GB',
        'NVIDIA A100-SXM4-80GB',
      ),
      cpus: fc.constantFrom(1, 2, 3, 16),
      disk: fc.constantFrom(1e12, 4e12),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('away'), id, away: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('cordon'), id, cordoned: fc.boolean(), label: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('gone'), id }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('share'), share: fc.constantFrom(0, 0.25, 0.5) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('limit'),
      type: fc.constantFrom(...madeNames),
      limit: fc.nat(2),
    }),
  },
)

interface Known {
  offered: ReturnType<typeof inventory>
  absent: string
  marks: { cordoned: string; labels: readonly string[]; gpuSince: Record<string, number> }
}

function offer(one: Extract<Step, { kind: 'node' }>) {
  const whole = gpus(one.gpus, one.model, one.shared ? 'shared' : `n${one.id}`)
  const slices = whole
    .filter((_, index) => one.divided && index % 2 === 0)
    .flatMap((gpu) =>
      [1, 2].map((part) => ({
        ...gpu,
        uuid: `MIG-${gpu.uuid}-${part}`,
        model: 'MIG 1g.10gb',
        parentUuid: gpu.uuid,
      })),
    )
  return inventory({ cpus: one.cpus, diskFreeBytes: one.disk, gpus: [...whole, ...slices] })
}

/** A pool with its history, from which an equal one can be built anew. */
class History {
  placement = new Placement()
  readonly nodes = new Map<string, Known>()
  readonly queued = new Map<number, Demand>()
  readonly running = new Map<number, Placed>()
  readonly limits = new Map<string, number>()
  share = 0.25
  newest = 0
  now = 0

  take(one: Step): void {
    this.now += 1
    const node = 'id' in one ? `n${one.id}` : ''
    const known = this.nodes.get(node)
    if (one.kind === 'submit') {
      this.newest += 1
      this.queued.set(this.newest, demandNamed(one.type))
      this.placement.enqueue(this.newest, 1, demandNamed(one.type))
    } else if (one.kind === 'end') {
      const ending = [...this.running.values()][one.pick % Math.max(1, this.running.size)]
      if (!ending) return
      this.running.delete(ending.runId)
      this.placement.release(`${ending.runId}.1`, { attempt: 1, ...ending.place }, ending.demand)
    } else if (one.kind === 'kill') {
      const id = [...this.queued.keys()][one.pick % Math.max(1, this.queued.size)]
      if (id === undefined) return
      this.queued.delete(id)
      this.placement.dequeue(id)
    } else if (one.kind === 'node') {
      const offered = offer(one)
      const gpuSince = since(offered.gpus, known?.marks.gpuSince, this.now)
      const marks = { cordoned: '', labels: [], ...known?.marks, gpuSince }
      this.#put(node, { offered, absent: '', marks })
      this.placement.pool.setAbsent(node, '')
    } else if (one.kind === 'share') {
      this.share = one.share
      this.placement.pool.setCpuShare(one.share)
      this.placement.changedShape()
    } else if (one.kind === 'limit') {
      this.limits.set(one.type, one.limit)
      this.placement.limits.set(one.type, one.limit)
    } else if (!known) {
      return
    } else if (one.kind === 'away') {
      known.absent = one.away ? 'away' : ''
      this.placement.pool.setAbsent(node, known.absent)
      if (!one.away) this.placement.gained(node)
    } else if (one.kind === 'cordon') {
      const cordoned = one.cordoned ? 'is cordoned' : ''
      const labels = one.label ? ['ssd'] : []
      this.#put(node, { ...known, marks: { ...known.marks, cordoned, labels } })
    } else if (![...this.running.values()].some(({ place }) => place.nodeId === node)) {
      this.nodes.delete(node)
      this.placement.pool.removeNode(node)
      this.placement.changedShape()
    }
  }

  #put(id: string, known: Known): void {
    this.nodes.set(id, known)
    this.placement.pool.setNode(id, id, known.offered, known.marks)
    this.placement.gained(id)
    this.placement.changedShape()
  }

  anew(): Placement {
    const placement = new Placement()
    placement.pool.setCpuShare(this.share)
    for (const [type, limit] of this.limits) placement.limits.set(type, limit)
    for (const [id, { offered, absent, marks }] of [...this.nodes].reverse()) {
      placement.pool.setNode(id, id, offered, marks)
      placement.pool.setAbsent(id, absent)
    }
    for (const { runId, place, demand } of this.running.values())
      placement.hold(`${runId}.1`, runId, { attempt: 1, ...place }, demand)
    for (const [id, wanted] of [...this.queued].reverse()) placement.enqueue(id, 1, wanted)
    return placement
  }

  plan(limit: number): readonly Placed[] {
    const placed = this.placement.plan(limit)
    for (const one of placed) {
      this.running.set(one.runId, one)
      this.queued.delete(one.runId)
    }
    return placed
  }
}

/** No device twice, and no slice beside its GPU. */
function promisedOnce(running: Iterable<Placed>): boolean {
  const uuids = [...running].flatMap(({ place }) => place.gpuUuids)
  const wholes = new Set(uuids.filter((uuid) => !uuid.startsWith('MIG-')))
  const divided = uuids.flatMap((uuid) => /^MIG-(.+)-\d$/.exec(uuid)?.[1] ?? [])
  return new Set(uuids).size === uuids.length && !divided.some((uuid) => wholes.has(uuid))
}

test('over any history: no device twice nor beside its slices, nothing over what a node has for such runs, none where it is away or cordoned, none over a limit, and an index built anew decides the same', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const history = new History()
      for (const one of steps) {
        history.take(one)
        const scratch = history.anew().plan(1_000)
        const planned = history.plan(1_000)
        t.deepEqual(planned, scratch)
        for (const { place, demand } of planned) {
          const known = history.nodes.get(place.nodeId)
          const node = history.placement.pool.nodes.get(place.nodeId)
          t.is(known?.absent, '')
          t.is(known?.marks.cordoned, '')
          t.true(demand.labels.every((label) => known?.marks.labels.includes(label)))
          const free = node && freeFor(node, runKind(demand))
          t.true(free !== undefined && free.milliCpus >= 0 && free.memoryBytes >= 0)
          const limit = history.limits.get(demand.typeName) || Number.POSITIVE_INFINITY
          const ofType = [...history.running.values()].filter((other) => other.demand.key === demand.key)
          t.true(ofType.length <= limit)
        }
        t.true(promisedOnce(history.running.values()))
      }
      return true
    }),
    { numRuns: 300 },
  )
})

test('planned in small steps or at once, the decisions are the same', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), (steps, limit) => {
      const [whole, parts] = [new History(), new History()]
      for (const one of steps) {
        whole.take(one)
        parts.take(one)
      }
      const placed: Placed[] = []
      for (let more = parts.plan(limit); more.length > 0; more = parts.plan(limit)) placed.push(...more)
      t.deepEqual(placed, whole.plan(1_000))
      return true
    }),
    { numRuns: 200 },
  )
})
