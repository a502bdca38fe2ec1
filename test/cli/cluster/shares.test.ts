import test from 'ava'
import { overCommitted, shareOut } from '../../../cli/cluster/shares.js'

const gibibyte = 1024 ** 3
const machine = { cpus: 8, memoryBytes: 30 * gibibyte, gpuUuids: ['GPU-a', 'GPU-b', 'GPU-c'] }

test('nodes get equal parts of cores and memory, and each GPU goes to one of them', (t) => {
  const shares = shareOut(machine, { nodes: 2 })
  t.deepEqual(shares, [
    { cpus: 4, memoryBytes: 15 * gibibyte, gpuUuids: ['GPU-a', 'GPU-c'] },
    { cpus: 4, memoryBytes: 15 * gibibyte, gpuUuids: ['GPU-b'] },
  ])
  t.deepEqual(overCommitted(machine, shares), [])
})

test('three nodes never offer more than the machine has', (t) => {
  const shares = shareOut(machine, { nodes: 3 })
  t.true(shares.reduce((sum, share) => sum + share.cpus, 0) <= machine.cpus)
  t.true(shares.reduce((sum, share) => sum + share.memoryBytes, 0) <= machine.memoryBytes)
})

test('what each node is told to offer may be more than there is, with a warning for each', (t) => {
  const shares = shareOut(machine, { nodes: 4, cpus: 64, memoryBytes: 256 * gibibyte })
  t.deepEqual(
    shares.map((share) => share.cpus),
    [64, 64, 64, 64],
  )
  const warnings = overCommitted(machine, shares)
  t.is(warnings.length, 2)
  t.regex(warnings[0] ?? '', /256 cores.* 8:/)
  t.regex(warnings[1] ?? '', /1024 GiB.* 30 GiB/)
})
