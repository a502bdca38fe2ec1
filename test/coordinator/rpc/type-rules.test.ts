import test from 'ava'
import { typeRefusal } from '../../../coordinator/rpc/type-rules.js'
import type { MadeMachineType__Output } from '../../../proto/gen/spell/v1/MadeMachineType.js'

const plain: MadeMachineType__Output = {
  ...{ name: 'big', gpuModel: '', gpuCount: 0, cpus: 0, memoryBytes: 0, storageBytes: 0, labels: [] },
  ...{ limit: 0, spot: false, defaultAutoResume: false, createdBy: '', createdAtMs: 0 },
}

const refused = test.macro((t, changes: Partial<MadeMachineType__Output>, sentence: RegExp) => {
  t.regex(typeRefusal({ ...plain, ...changes }) ?? '', sentence)
})

const cores = /^The cores of a machine type are a number from 0\.001 to 10000\.$/
const memory = /^The memory of a machine type is between 6 MiB and 1 PiB\.$/
const disk = /^The disk of a machine type is at most 1,000,000 GB\.$/

test('more cores than any machine has are refused', refused, { cpus: 1e20 }, cores)
test('fewer cores than can be counted are refused', refused, { cpus: 1e-7 }, cores)
test('cores below nothing are refused', refused, { cpus: -1 }, cores)
test('cores that are no number are refused', refused, { cpus: Number.NaN }, cores)
test('memory in which nothing runs is refused', refused, { memoryBytes: 1 }, memory)
test('more memory than any machine has is refused', refused, { memoryBytes: 2 ** 51 }, memory)
test('more disk than any machine has is refused', refused, { storageBytes: 1e18 }, disk)
test(
  'more GPUs than any machine has are refused',
  refused,
  { gpuCount: 65 },
  /^A machine type has at most 64 GPUs/,
)
test(
  'a label with a control character is refused',
  refused,
  { labels: ['a\u001b'] },
  /has a control character/,
)

test('what is left out, and what machines have, is right', (t) => {
  t.is(typeRefusal(plain), undefined)
  const large = { gpuCount: 16, cpus: 448, memoryBytes: 24 * 1024 ** 4, storageBytes: 1e14, labels: ['x'] }
  t.is(typeRefusal({ ...plain, ...large }), undefined)
  t.is(typeRefusal({ ...plain, cpus: 0.25, memoryBytes: 500 * 1024 ** 2 }), undefined)
})
