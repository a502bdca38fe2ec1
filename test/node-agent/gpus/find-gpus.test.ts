import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { GpuFinder, type GpuFinderSettings } from '../../../node-agent/gpus/find-gpus.js'
import type { GpuList } from '../../../node-agent/gpus/gpu-list.js'

/** The captures are no code, so they lie in the source tree only. */
const captures = join(sourceRoot(), 'test/fixtures/nvidia-smi')
const folder = mkdtempSync(join(tmpdir(), 'spell-smi-'))
let scripts = 0
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

function sourceRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  return here.replace(/\/(build\/[^/]+|dist)\/test\/.*$/, '')
}

/** What an nvidia-smi would be that does this. */
async function found(script: string, settings: GpuFinderSettings = {}): Promise<GpuList> {
  scripts += 1
  const nvidiaSmi = join(folder, `nvidia-smi-${scripts}`)
  writeFileSync(nvidiaSmi, `#!/bin/sh\ncd ${captures}\n${script}\n`, { mode: 0o755 })
  return await new GpuFinder({ nvidiaSmi, ...settings }, systemClock).find(AbortSignal.timeout(60_000))
}

const gibibytes = (list: GpuList) => list.gpus.map(({ memoryBytes }) => Math.round(memoryBytes / 2 ** 30))

test('XML is read', async (t) => {
  const list = await found('cat t4.xml')
  t.deepEqual(list, {
    gpus: [
      {
        uuid: 'GPU-d37e67a5-91dd-3774-a5cb-99096249601a',
        model: 'Tesla T4',
        memoryBytes: 15360 * 2 ** 20,
        unusableReason: '',
        parentUuid: '',
      },
    ],
    warnings: [],
  })
})

test('the text of eight GPUs is read', async (t) => {
  const list = await found('cat eight-h100.txt')
  t.is(new Set(list.gpus.map(({ uuid }) => uuid)).size, 8)
  t.deepEqual([...new Set(list.gpus.map(({ model }) => model))], ['NVIDIA H100 80GB HBM3'])
  t.deepEqual([...new Set(gibibytes(list))], [80])
  t.deepEqual(list.warnings, [])
})

test('a table is read, where nothing else is answered', async (t) => {
  const list = await found(`case "$*" in *--format=csv)
printf 'index, name, uuid, memory.total [MiB], mig.mode.current\\n'
printf '0, NVIDIA L40S, GPU-1234, 46068 MiB, [N/A]\\n1, NVIDIA L40S, GPU-5678, [Unknown Error], [N/A]\\n'
;; *) exit 2; esac`)
  t.deepEqual(
    list.gpus.map(({ uuid, unusableReason }) => [uuid, unusableReason]),
    [
      ['GPU-1234', ''],
      ['GPU-5678', 'It does not tell its memory.'],
    ],
  )
})

test('of a divided GPU its parts are offered, and not itself', async (t) => {
  const list = await found('if [ "$1" = -L ]; then cat h100-mig-list.txt; else cat h100-mig.txt; fi')
  t.deepEqual(
    list.gpus.map(({ uuid, model }) => `${uuid.slice(0, 12)} ${model}`),
    [
      'MIG-00000000 NVIDIA H100 80GB HBM3 MIG 3g.40gb',
      'MIG-00000001 NVIDIA H100 80GB HBM3 MIG 2g.20gb',
      'MIG-00000002 NVIDIA H100 80GB HBM3 MIG 1g.10gb',
      'MIG-00000003 NVIDIA H100 80GB HBM3 MIG 1g.10gb',
    ],
  )
  t.deepEqual(
    [...new Set(list.gpus.map(({ parentUuid }) => parentUuid))],
    ['GPU-00000000-0000-0000-0000-000000000000'],
  )
  t.is(gibibytes(list)[0], 40)
})

test('a divided GPU whose parts have no names is there and gets no runs', async (t) => {
  const list = await found('if [ "$1" = -L ]; then exit 1; fi; cat a100-with-mig.xml')
  t.is(list.gpus.length, 1)
  t.regex(list.gpus[0]?.unusableReason ?? '', /MIG/)
})

test('a GPU that must be reset gets no runs', async (t) => {
  const list = await found('cat a10-rows-pending.txt')
  t.regex(list.gpus[0]?.unusableReason ?? '', /reset/)
})

const useless = test.macro({
  title: (title = '') => `${title}: no GPUs, and a warning`,
  async exec(t, script: string, warning: RegExp) {
    const list = await found(script, { timeLimitMs: 2000 })
    t.deepEqual(list.gpus, [])
    t.is(list.warnings.length, 1)
    t.regex(list.warnings[0] ?? '', warning)
  },
})
test('no driver', useless, 'cat no-driver.txt; exit 9', /failed \(9\): NVIDIA-SMI has failed/)
test('output that is cut off', useless, 'cat cut-off.txt', /cut off/)
test('XML that is cut off', useless, 'head -c 5000 t4.xml', /cut off/)
test('nonsense', useless, 'echo what?', /nothing that is understood/)
test('one that hangs', useless, 'sleep 1000', /did not answer within 2 s/)
test('one that hangs with its output open', useless, 'cat t4.xml; sleep 1000 & sleep 1000', /did not answer/)

test('what was named and is not there is a warning; without a name there are just no GPUs', async (t) => {
  const signal = AbortSignal.timeout(60_000)
  const named = await new GpuFinder({ nvidiaSmi: join(folder, 'none') }, systemClock).find(signal)
  t.regex(named.warnings[0] ?? '', /could not be run/)
})

test('only the GPUs that the node is to offer are offered', async (t) => {
  const gpuUuids = ['GPU-47daa2ad-a218-6286-252b-af45f0dfaf00', 'GPU-none']
  const list = await found('cat eight-h100.txt', { gpuUuids })
  t.deepEqual(
    list.gpus.map(({ uuid }) => uuid),
    [gpuUuids[0] ?? ''],
  )
  t.regex(list.warnings[0] ?? '', /GPU-none/)
})
