import test from 'ava'
import { gpuTypeName } from '../../../coordinator/core/gpu-models.js'
import { demandOf, modelNames, nearNames, takesGpu } from '../../../coordinator/core/machine-types.js'

const names = modelNames(['A100-80GB', 'A100-80GB-1g.10gb', 'Homemade-9000'])

const named = test.macro<[driverName: string, type: string, parent?: string]>({
  exec(t, driverName, type, parent = '') {
    t.is(gpuTypeName(driverName, parent), type)
  },
  title: (_, driverName, type) => `${driverName} is a ${type}`,
})
test(named, 'Tesla T4', 'T4')
test(named, 'Tesla K80', 'K80')
test(named, 'NVIDIA A100-SXM4-80GB', 'A100-80GB')
test(named, 'NVIDIA A100-PCIE-40GB', 'A100-40GB')
test(named, 'Tesla V100-SXM2-16GB', 'V100-16GB')
test(named, 'NVIDIA H100 80GB HBM3', 'H100-80GB')
test(named, 'NVIDIA H100 NVL', 'H100-NVL')
test(named, 'NVIDIA A10G', 'A10G')
test(named, 'NVIDIA L40S', 'L40S')
test(named, 'NVIDIA GeForce RTX 3090', 'RTX-3090')
test(named, 'NVIDIA RTX A5000', 'RTX-A5000')
test(named, 'GeForce GTX 1660 Ti', 'GTX-1660-Ti')
test(named, 'Graphics Device', 'GPU')
test(named, 'NVIDIA A100-SXM4-80GB MIG 1g.10gb', 'A100-80GB-1g.10gb')
test(named, 'MIG 3g.40gb Device 0', 'H100-80GB-3g.40gb', 'NVIDIA H100 80GB HBM3')

const asked = test.macro<[name: string, typeName: string | undefined, gpuCount?: number]>({
  exec(t, name, typeName, gpuCount = 0) {
    const demand = demandOf({ kind: 'type', name }, names)
    t.is(demand?.typeName, typeName)
    t.is(demand?.gpuCount ?? 0, gpuCount)
  },
  title: (_, name, typeName) => `"${name}" asks for ${typeName ?? 'nothing known'}`,
})
test(asked, '', 'CPU', 0)
test(asked, 'cpu', 'CPU', 0)
test(asked, 't4', 'T4', 1)
test(asked, 'T4x1', 'T4', 1)
test(asked, ' v 1-0_0 X4', 'V100x4', 4)
test(asked, 'a100-80gbx8', 'A100-80GBx8', 8)
test(asked, 'rtx3090', 'RTX-3090', 1)
test(asked, 'RTX 3090 x 2', 'RTX-3090x2', 2)
test(asked, 'homemade9000', 'Homemade-9000', 1)
test(asked, 'a100-1g.10gb', 'A100-1g.10gb', 1)
test(asked, 'T4x65', undefined)
test(asked, 'T4x0', undefined)
test(asked, 'V10', undefined)
test(asked, 'constructor', undefined)

test('a model without its memory takes any size of it, one with it only that', (t) => {
  const [any, large] = ['A100', 'A100-80GB'].map((name) => demandOf({ kind: 'type', name }, names))
  t.truthy(any && large)
  if (!any || !large) return
  t.true(takesGpu(any, { type: 'A100-40GB', memoryBytes: 1 }))
  t.true(takesGpu(any, { type: 'A100-80GB', memoryBytes: 1 }))
  t.false(takesGpu(large, { type: 'A100-40GB', memoryBytes: 1 }))
  t.false(takesGpu(any, { type: 'A10', memoryBytes: 1 }))
  t.false(takesGpu(any, { type: 'A100-80GB-1g.10gb', memoryBytes: 1 }))
})

test('near names are named, far ones are not', (t) => {
  t.true(nearNames('V10', names).includes('V100'))
  t.true(nearNames('t5x2', names).includes('T4'))
  t.true(nearNames('gpu', names).includes('CPU'))
  t.true(nearNames('homemade', names).includes('Homemade-9000'))
  t.deepEqual(nearNames('large-and-shiny', names), [])
})
