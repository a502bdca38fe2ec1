import test from 'ava'
import { demandOf, modelNames } from '../../../coordinator/core/machine-types.js'
import { Placement } from '../../../coordinator/core/placement.js'
import { whyItWaits } from '../../../coordinator/core/why.js'
import { gpus, inventory } from '../leader/harness.js'

const names = modelNames([])
const foreign = "A process that is no run's is on it: pid 4242 (alice, python train.py)."

/** One node with as many T4s as there are reasons why each is out of use (empty: it is not). */
function nodeWith(reasons: readonly string[]) {
  const placement = new Placement()
  const offered = (why: readonly string[]) => {
    const devices = gpus(why.length).map((gpu, index) => ({ ...gpu, unusableReason: why[index] ?? '' }))
    placement.pool.setNode('a', 'node-1', inventory({ cpus: 8, gpus: devices }))
    placement.pool.setAbsent('a', '')
    placement.gained('a')
  }
  offered(reasons)
  const enqueue = (runId: number, type: string) => {
    const demand = demandOf({ kind: 'type', name: type }, names)
    if (demand) placement.enqueue(runId, 1, demand)
  }
  return { placement, enqueue, offered }
}

test('a run that waits for a GPU with a foreign process is told node, pid, user and program', (t) => {
  const { placement, enqueue, offered } = nodeWith([foreign])
  enqueue(1, 'T4')
  t.deepEqual(placement.plan(10), [])
  t.regex(
    whyItWaits(placement, 1),
    /^Waiting for a T4 machine: node-1 has no such GPU free \(GPU-\S+: A process that is no run's is on it: pid 4242 \(alice, python train.py\)\); it starts when that changes$/,
  )
  offered([''])
  t.is(placement.plan(10).length, 1)
})

test('what is out of use is named beside the run that has the rest, and no run is told that there is none', (t) => {
  const { placement, enqueue } = nodeWith(['It requires a reset.', '', 'b', 'c'])
  enqueue(1, 'T4')
  t.is(placement.plan(10).length, 1)
  enqueue(2, 'T4')
  t.deepEqual(placement.plan(10), [])
  t.regex(
    whyItWaits(placement, 2),
    /has no such GPU free \(GPU-\S+: It requires a reset; GPU-\S+: b; 1 more out of use\); it starts when run 1 ends$/,
  )
  enqueue(3, 'T4x4')
  t.regex(whyItWaits(placement, 3), /node-1 has no such GPU free \(/)
  enqueue(4, 'T4x8')
  t.regex(whyItWaits(placement, 4), /could ever give .*has only 4 such GPUs/)
})
