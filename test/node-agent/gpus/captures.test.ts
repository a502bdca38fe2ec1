import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { gpuTypeName } from '../../../coordinator/core/gpu-models.js'
import { GpuFinder } from '../../../node-agent/gpus/find-gpus.js'
import { SmiScripts } from '../fixtures/smi-scripts.js'

const scripts = new SmiScripts()
test.after.always(() => scripts.end())

/** One line a device: end of the UUID, type, MiB, `in` end of its GPU's UUID, then what is wrong, then who computes on it. */
const shows = test.macro({
  title: (_title, name: string) => `${name} shows these devices`,
  async exec(t, name: string, driver: string, devices: readonly string[], list = '/dev/null') {
    const csv = name.endsWith('.csv') ? 'case "$*" in *csv) ;; *) exit 2; esac;' : ''
    const script = `if [ "$1" = -L ]; then cat ${list}; exit; fi; ${csv} cat ${name}`
    const finder = new GpuFinder({ nvidiaSmi: scripts.make(script) }, systemClock)
    const reading = await finder.read(AbortSignal.timeout(60_000))
    if (reading.kind !== 'read') return t.fail(JSON.stringify(reading))
    t.is(reading.driverVersion, driver)
    const lines = reading.gpus.map((gpu) =>
      [
        gpu.uuid.slice(-6),
        gpuTypeName(gpu.model),
        Math.round(gpu.memoryBytes / 2 ** 20),
        ...(gpu.parentUuid === '' ? [] : [`in ${gpu.parentUuid.slice(-6)}`]),
        ...[gpu.trouble, gpu.hindrance].filter((reason) => reason !== ''),
        ...gpu.processes.map(({ pid }) => `pid ${pid}`),
      ].join(' '),
    )
    t.deepEqual(lines, devices)
    t.true(reading.gpus.every(({ busId }) => /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}$/.test(busId)))
  },
})

test(shows, 't4.xml', '515.105.01', ['49601a T4 15360 pid 5762'])
test(shows, 'a10g.xml', '515.105.01', ['127e94 A10G 23028'])
test(shows, 'gtx-1660-ti.xml', '418.43', ['992989 GPU 5912'])
test(shows, 'rtx-3090.xml', '525.147.05', ['6789ab RTX-3090 24576'])
test(shows, 'two-a5000.xml', '590.44.01', [
  '6789ab RTX-A5000 24564 pid 100477',
  '6789cd RTX-A5000 24564 pid 100477',
])
test(shows, 'a10-rows-pending.txt', '535.129.03', [
  'b44736 A10 23028 Memory rows wait to be remapped: it requires a reset.',
])
test(
  shows,
  'eight-h100.txt',
  '535.161.08',
  ['c2f8aa', 'dfaf00', 'c43cdc', 'b3bc99', '120662', 'c43658', 'ef696c', '7e23c5'].map(
    (uuid) => `${uuid} H100-80GB 81559`,
  ),
)
test(shows, 'h100-loaded.txt', '590.48.01', ['000000 H100-80GB 81559 pid 11327 pid 11328 pid 11345'])
test(shows, 'h100-table.csv', '590.48.01', ['000000 H100-80GB 81559'])
test(shows, 'l40s-loaded.txt', '595.80', ['000000 L40S 46068 pid 20037 pid 20038'])
test(shows, 'l40s-table.csv', '595.80', ['000000 L40S 46068'])
const h100Slices = (sizes: readonly number[]) => [
  `000000 H100-80GB-3g.40gb ${sizes[0]} in 000000`,
  `000001 H100-80GB-2g.20gb ${sizes[1]} in 000000`,
  `000002 H100-80GB-1g.10gb ${sizes[2]} in 000000`,
  `000003 H100-80GB-1g.10gb ${sizes[2]} in 000000`,
]
test(shows, 'h100-mig.txt', '590.48.01', h100Slices([40448, 20096, 9984]), 'h100-mig-list.txt')
test(shows, 'h100-mig-table.csv', '590.48.01', h100Slices([38147, 19073, 9537]), 'h100-mig-list.txt')
test(shows, 'a100-with-mig.xml', '535.54.03', [
  '4bb298 A100-80GB 81920 MIG is on, and it has no MIG devices that tell their UUID.',
])
test(shows, 'written/two-v100.xml', '470.103.01', [
  '000001 V100-16GB 16160',
  '000002 V100-32GB 32510 It reports 2 uncorrectable memory errors since it was last reset.',
])
test(shows, 'written/two-h200.xml', '580.95.05', [
  '000011 H200 143771',
  '000012 H200 143771 The driver wants it recovered: Drain and Reset.',
])
test(shows, 'written/gb200.xml', '570.158.01', ['000021 GB200 189471'])
test(shows, 'written/jetson-orin.xml', '540.3.0', ['000031 Orin 0'])
test(shows, 'written/geforce.xml', '550.78', ['000041 RTX-4090 24564 pid 31415'])
test(
  shows,
  'written/a30-with-mig.xml',
  '535.154.05',
  [
    '000001 A30-2g.12gb 11968 in 000051',
    '000002 A30-1g.6gb+me 5952 in 000051 pid 4711',
    '000003 A30-1g.6gb 5952 in 000051 It reports an uncorrectable memory error since it was last reset.',
    '000052 A30 24576',
  ],
  'written/a30-list.txt',
)
test(
  shows,
  'written/a100-driver-460.csv',
  '460.106.00',
  ['61/1/0 A100-40GB-3g.20gb 19073 in 000061', '61/2/0 A100-40GB-1c.3g.20gb 19073 in 000061'],
  'written/a100-list-driver-460.txt',
)
