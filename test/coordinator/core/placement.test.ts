import test from 'ava'
import { madeDemand } from '../../../coordinator/core/made-types.js'
import { type Placed, Placement } from '../../../coordinator/core/placement.js'
import { whyItWaits } from '../../../coordinator/core/why.js'
import { gpus, inventory } from '../leader/harness.js'
import { demand, made } from './demands.js'

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
  t.deepEqual(where(placement.plan(10)), ['2@a', '3@a'])
  t.is(placement.position(1), 1)
})

test('a GPU brings its share of what is not set aside for runs without GPUs', (t) => {
  const placement = pool(['a', { cpus: 64, memoryBytes: 512e9, gpus: gpus(8) }])
  placement.enqueue(1, 1, demand('T4x2'))
  const [placed] = placement.plan(10)
  t.is(placed?.place.cpus, 12)
  t.is(placed?.place.memoryBytes, 96e9)
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
  const holding = { attempt: 1, nodeId: 'a', gpuUuids: ['GPU-0'], cpus: 6, memoryBytes: 24e9 }
  placement.release('1.1', holding, demand('T4'))
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

test('neither runs with GPUs nor those without take what is set aside for the other', (t) => {
  const placement = pool(['a', { cpus: 16, memoryBytes: 64e9, gpus: gpus(4) }])
  for (let id = 1; id <= 10; id += 1) placement.enqueue(id, 1, demand('CPU'))
  for (let id = 11; id <= 20; id += 1) placement.enqueue(id, 1, demand('T4'))
  const placed = placement.plan(100)
  t.deepEqual(
    placed.map(({ runId, place }) => [runId, place.cpus]),
    [...[1, 2].map((id) => [id, 2]), ...[11, 12, 13, 14].map((id) => [id, 3])],
  )
  t.is(
    whyItWaits(placement, 3),
    'Waiting for a CPU machine: a has too few cores free for runs without GPUs; it starts when one of runs 1, 2 ends',
  )
})

test('the part set aside is a setting, and a type that does not fit beside it says so', (t) => {
  const placement = pool(['a', { cpus: 16, memoryBytes: 64e9, gpus: gpus(1) }])
  placement.enqueue(1, 1, madeDemand(made({ name: 'wide', gpuCount: 1, milliCpus: 14_000 })))
  t.deepEqual(placement.plan(1), [])
  t.is(
    whyItWaits(placement, 1),
    'No node could ever give a wide machine: a has only 12 cores and 48 GB for runs with GPUs; it starts when one that can joins',
  )
  placement.pool.setCpuShare(0.1)
  placement.changedShape()
  t.is(placement.plan(1).length, 1)
})

test('a made type takes only nodes with its labels, and no more at once than its limit', (t) => {
  const placement = pool(['a', {}], ['b', {}])
  const fast = madeDemand(made({ name: 'fast', labels: ['ssd'] }))
  placement.limits.set('fast', 2)
  for (const id of [1, 2, 3]) placement.enqueue(id, 1, fast)
  t.deepEqual(placement.plan(10), [])
  t.is(
    whyItWaits(placement, 1),
    'No node could ever give a fast machine: a lacks the label ssd, b lacks the label ssd; it starts when one gets it, or one that can joins',
  )
  placement.pool.setNode('b', 'b', inventory(), { labels: ['ssd'] })
  placement.gained('b')
  const placed = placement.plan(10)
  t.deepEqual(where(placed), ['1@b', '2@b'])
  t.is(
    whyItWaits(placement, 3),
    'Waiting for a fast machine: no more than 2 may be used at once; it starts when one of runs 1, 2 ends',
  )
  const [first] = placed
  if (first) placement.release('1.1', { attempt: 1, ...first.place }, fast)
  t.deepEqual(where(placement.plan(10)), ['3@b'])
})

test('a cordoned node says who cordoned it, beside nodes that are away', (t) => {
  const placement = pool(['a', {}], ['b', {}])
  placement.pool.setNode('a', 'a', inventory(), { cordoned: 'is drained by root (new disk)' })
  placement.pool.setAbsent('b', 'is not connected')
  placement.enqueue(1, 1, demand('CPU'))
  t.is(
    whyItWaits(placement, 1),
    'Every node that could give a CPU machine is away or gets no new runs: a is drained by root (new disk), b is not connected; it starts when that changes',
  )
})

test('a slice held on one node keeps its GPU from being promised on another that shows it whole', (t) => {
  const whole = gpus(1, 'NVIDIA A100-SXM4-80GB')
  const slice = {
    uuid: 'MIG-1',
    model: 'MIG 1g.10gb',
    memoryBytes: 1e9,
    unusableReason: '',
    parentUuid: 'GPU-0',
  }
  const placement = pool(['a', { gpus: [...whole, slice] }], ['b', { gpus: whole }])
  placement.enqueue(1, 1, demand('A100-1g.10gb'))
  t.deepEqual(where(placement.plan(10)), ['1@a'])
  placement.pool.setNode('a', 'a', inventory())
  placement.gained('b')
  placement.enqueue(2, 1, demand('A100'))
  t.deepEqual(placement.plan(10), [])
})
