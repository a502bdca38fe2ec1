import test from 'ava'
import { gpuTypeName } from '../../../coordinator/core/gpu-models.js'

const named = test.macro({
  title: (_title, driverName: string, typeName: string) => `${driverName} is ${typeName}`,
  exec(t, driverName: string, typeName: string) {
    t.is(gpuTypeName(driverName), typeName)
  },
})

for (const [driverName, typeName] of [
  ['Tesla T4', 'T4'],
  ['Tesla K80', 'K80'],
  ['Tesla V100-SXM2-16GB', 'V100-16GB'],
  ['Tesla V100-PCIE-32GB', 'V100-32GB'],
  ['A100-SXM4-40GB', 'A100-40GB'],
  ['NVIDIA A100-SXM4-80GB', 'A100-80GB'],
  ['NVIDIA A100 80GB PCIe', 'A100-80GB'],
  ['NVIDIA A100-SXM4-80GB MIG 1g.10gb', 'A100-80GB-1g.10gb'],
  ['NVIDIA A30 MIG 1g.6gb+me', 'A30-1g.6gb+me'],
  ['NVIDIA H100 80GB HBM3', 'H100-80GB'],
  ['NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb', 'H100-80GB-1c.3g.40gb'],
  ['NVIDIA B200 MIG 1g.23gb+me.all', 'B200-1g.23gb+me.all'],
  ['NVIDIA B200 MIG 1g.23gb-me', 'B200-1g.23gb-me'],
  ['NVIDIA H100 NVL', 'H100-NVL'],
  ['NVIDIA H200', 'H200'],
  ['NVIDIA GH200 480GB', 'GH200-480GB'],
  ['NVIDIA GB200', 'GB200'],
  ['NVIDIA L40S', 'L40S'],
  ['NVIDIA GeForce RTX 3090', 'RTX-3090'],
  ['GeForce GTX 1080 Ti', 'GTX-1080-Ti'],
  ['NVIDIA GeForce RTX 3080 Laptop GPU', 'RTX-3080-Laptop'],
  ['Quadro RTX 6000', 'RTX-6000'],
  ['NVIDIA RTX A6000', 'RTX-A6000'],
  ['NVIDIA RTX 6000 Ada Generation', 'RTX-6000-Ada'],
  ['Orin (nvgpu)', 'Orin'],
  ['Graphics Device', 'GPU'],
] as const)
  test(named, driverName, typeName)
