import test from 'ava'
import fc from 'fast-check'
import { type Demand, demandOf, modelNames } from '../../../coordinator/core/machine-types.js'
import { type Placed, Placement } from '../../../coordinator/core/placement.js'
import { whyItWaits } from '../../../coordinator/core/why.js'
import { gpus, inventory } from '../leader/harness.js'

const names = modelNames([])

function demand(name: string): Demand {
  const found = demandOf({ kind: 'type', name }, names)
  if (!found) throw new Error(name)
  return found
}

function pool(...nodes: readonly (readonly [id: string, Parameters<typeof inventory>[0]])[]): Placement {
  const placement = new Placement()
  for (const [id, offered] of nodes) {
    placement.pool.setNode(id, id, inventory(offered))
    placement.pool.setAbsent(id, '')
  }
  return placement
}

const where = (placed: readonly Placed[]) => placed.map(({ runId, place }) => `${runId}@${place.nodeId}`)

test('the oldest goes first, and one that cannot be placed holds up its own type only', (t) => {
  const placement = pool(['a', { cpus: 8, gpus: gpus(2) }])
  placement.enqueue(3, 1, demand('CPU'))
  placement.enqueue(1, 1, demand('V100'))
  placement.enqueue(2, 1, demand('T4x2'))
  placement.enqueue(4, 1, demand('T4'))
  t.deepEqual(where(placement.plan(10)), ['2@a'])
  t.is(placement.position(1), 1)
})

test('a GPU brings its share of cores and memory', (t) => {
  const placement = pool(['a', { cpus: 64, memoryBytes: 512e9, gpus: gpus(8) }])
  placement.enqueue(1, 1, demand('T4x2'))
  const [placed] = placement.plan(10)
  t.is(placed?.place.cpus, 16)
  t.is(placed?.place.memoryBytes, 128e9)
  t.is(placed?.place.gpuUuids.length, 2)
})

test('CPU is 2 cores and 8 GB, or what the smallest node can give', (t) => {
  const large = pool(['a', {}])
  large.enqueue(1, 1, demand('CPU'))
  t.like(large.plan(1)[0]?.place, { cpus: 2, memoryBytes: 8e9 })
  const small = pool(['a', {}], ['b', { cpus: 0.5, memoryBytes: 1e9 }])
  small.enqueue(1, 1, demand('CPU'))
  t.like(small.plan(1)[0]?.place, { cpus: 0.5, memoryBytes: 1e9, nodeId: 'b' })
})

test('best fit: the fuller node, and none with GPUs while another will do; ties by id', (t) => {
  const placement = pool(['a', { gpus: gpus(1) }], ['c', {}], ['b', {}])
  for (const id of [1, 2, 3]) placement.enqueue(id, 1, demand('CPU'))
  t.deepEqual(where(placement.plan(10)), ['1@b', '2@b', '3@b'])
})

test('eight GPUs in eighths of a core each all fit', (t) => {
  const placement = pool(['a', { cpus: 1, gpus: gpus(8) }])
  for (let id = 1; id <= 9; id += 1) placement.enqueue(id, 1, demand('T4'))
  t.is(placement.plan(20).length, 8)
})

test('a divided GPU is never promised beside its slices', (t) => {
  const slice = {
    uuid: 'MIG-1',
    model: 'MIG 1g.10gb',
    memoryBytes: 1e9,
    unusableReason: '',
    parentUuid: 'GPU-0',
  }
  const placement = pool(['a', { gpus: [...gpus(1, 'NVIDIA A100-SXM4-80GB'), slice] }])
  placement.enqueue(1, 1, demand('A100'))
  t.deepEqual(placement.plan(1), [])
  const whole = pool(['a', { gpus: gpus(1, 'NVIDIA A100-SXM4-80GB') }])
  whole.enqueue(1, 1, demand('A100'))
  t.is(whole.plan(1).length, 1)
  whole.pool.setNode('a', 'a', inventory({ gpus: [...gpus(1, 'NVIDIA A100-SXM4-80GB'), slice] }))
  t.deepEqual(
    [...whole.pool.nodes.values()].map(({ devices }) =>
      devices.filter((device) => whole.pool.isFree(device)),
    ),
    [[]],
  )
})

test('a GPU that two nodes bring belongs to the first, until that one no longer has it', (t) => {
  const placement = pool(['a', { gpus: gpus(1) }], ['b', { gpus: gpus(1) }])
  placement.enqueue(1, 1, demand('T4'))
  placement.enqueue(2, 1, demand('T4'))
  t.deepEqual(where(placement.plan(10)), ['1@a'])
  placement.pool.setNode('a', 'a', inventory())
  placement.gained('b')
  t.deepEqual(where(placement.plan(10)), [], 'run 1 still holds it')
  placement.pool.release('1.1', { attempt: 1, nodeId: 'a', gpuUuids: ['GPU-0'], cpus: 8, memoryBytes: 32e9 })
  placement.gained('b')
  t.deepEqual(where(placement.plan(10)), ['2@b'])
})

test('a waiting run says why', (t) => {
  const empty = new Placement()
  empty.enqueue(1, 1, demand('CPU'))
  t.is(whyItWaits(empty, 1), 'The pool has no nodes; it starts when one joins')
  const placement = pool(['node-1', { gpus: gpus(1) }])
  for (const [id, type] of [
    [1, 'T4'],
    [2, 'T4'],
    [3, 'T4'],
    [4, 'V100'],
    [5, 'T4x4'],
  ] as const)
    placement.enqueue(id, 1, demand(type))
  placement.plan(10)
  t.is(
    whyItWaits(placement, 2),
    'Waiting for a T4 machine: node-1 has no such GPU free; it starts when run 1 ends',
  )
  t.is(whyItWaits(placement, 3), 'Waiting for a T4 machine, behind older runs')
  t.is(whyItWaits(placement, 4), 'No node has a V100 machine now; it starts when one that has joins')
  t.is(
    whyItWaits(placement, 5),
    'No node could ever give a T4x4 machine: node-1 has only 1 such GPUs; it starts when one that can joins',
  )
  placement.pool.setAbsent('node-1', 'is not connected')
  t.regex(whyItWaits(placement, 2), /away: node-1 is not connected/)
})

// Properties over random histories.

const types = ['CPU', 'T4', 'T4x2', 'V100', 'V100x4', 'A100'] as const
type Step =
  | { readonly kind: 'submit'; readonly type: (typeof types)[number] }
  | { readonly kind: 'end'; readonly pick: number }
  | { readonly kind: 'kill'; readonly pick: number }
  | {
      readonly kind: 'node'
      readonly id: number
      readonly gpus: number
      readonly model: string
      readonly cpus: number
    }
  | { readonly kind: 'away'; readonly id: number; readonly away: boolean }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('submit'), type: fc.constantFrom(...types) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('end'), pick: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill'), pick: fc.nat(100) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('node'),
      id: fc.nat(3),
      gpus: fc.nat(8),
      model: fc.constantFrom(
        'Tesla T4',
        'Tesla V100-SXM2-16GB',
        'Tesla V100-SXM2-32GB',
        'NVIDIA A100-SXM4-80GB',
      ),
      cpus: fc.constantFrom(1, 2, 3, 16),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('away'), id: fc.nat(3), away: fc.boolean() }) },
)

/** A pool with its history, from which an equal one can be built anew. */
class History {
  placement = new Placement()
  readonly nodes = new Map<string, { offered: ReturnType<typeof inventory>; absent: string }>()
  readonly queued = new Map<number, Demand>()
  readonly running = new Map<number, Placed>()
  newest = 0

  take(one: Step): void {
    const node = 'id' in one ? `n${one.id}` : ''
    if (one.kind === 'submit') {
      this.newest += 1
      this.queued.set(this.newest, demand(one.type))
      this.placement.enqueue(this.newest, 1, demand(one.type))
    } else if (one.kind === 'end') {
      const ending = [...this.running.values()][one.pick % Math.max(1, this.running.size)]
      if (!ending) return
      this.running.delete(ending.runId)
      this.placement.pool.release(`${ending.runId}.1`, { attempt: 1, ...ending.place })
      this.placement.gained(ending.place.nodeId)
    } else if (one.kind === 'kill') {
      const id = [...this.queued.keys()][one.pick % Math.max(1, this.queued.size)]
      if (id === undefined) return
      this.queued.delete(id)
      this.placement.dequeue(id)
    } else if (one.kind === 'node') {
      const offered = inventory({ cpus: one.cpus, gpus: gpus(one.gpus, one.model, node) })
      this.nodes.set(node, { offered, absent: '' })
      this.placement.pool.setNode(node, node, offered)
      this.placement.pool.setAbsent(node, '')
      this.placement.gained(node)
      this.placement.changedShape()
    } else {
      const known = this.nodes.get(node)
      if (!known) return
      known.absent = one.away ? 'away' : ''
      this.placement.pool.setAbsent(node, known.absent)
      if (!one.away) this.placement.gained(node)
    }
  }

  anew(): Placement {
    const placement = new Placement()
    for (const [id, { offered, absent }] of [...this.nodes].reverse()) {
      placement.pool.setNode(id, id, offered)
      placement.pool.setAbsent(id, absent)
    }
    for (const { runId, place } of this.running.values())
      placement.pool.hold(`${runId}.1`, runId, { attempt: 1, ...place })
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

test('over any history: no device twice, nothing over what a node has, none where it is away, and an index built anew decides the same', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const history = new History()
      for (const one of steps) {
        history.take(one)
        const scratch = history.anew().plan(1_000)
        const planned = history.plan(1_000)
        t.deepEqual(planned, scratch)
        for (const { place } of planned) t.is(history.nodes.get(place.nodeId)?.absent, '')
        const uuids = [...history.running.values()].flatMap(({ place }) => place.gpuUuids)
        t.is(new Set(uuids).size, uuids.length)
        for (const { id } of history.placement.pool.nodes.values()) {
          const here = planned.filter(({ place }) => place.nodeId === id)
          const node = history.placement.pool.nodes.get(id)
          if (here.length > 0)
            t.true(node !== undefined && node.freeMilliCpus >= 0 && node.freeMemoryBytes >= 0)
        }
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
