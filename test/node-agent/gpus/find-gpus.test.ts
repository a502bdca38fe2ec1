import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { GpuFinder, type GpuReading } from '../../../node-agent/gpus/find-gpus.js'
import { FakeClock } from '../../fakes/fake-clock.js'
import { SmiScripts } from '../fixtures/smi-scripts.js'

const scripts = new SmiScripts()
test.after.always(() => scripts.end())

interface Found {
  readonly gpus: readonly {
    readonly uuid: string
    readonly model: string
    readonly memoryBytes: number
    readonly parentUuid: string
    readonly unusableReason: string
  }[]
  readonly warnings: readonly string[]
  readonly failure: string
}

/** What is read from an nvidia-smi that does this. */
async function found(script: string, nvidiaSmiTimeoutMs = 20_000): Promise<Found> {
  const finder = new GpuFinder({ nvidiaSmi: scripts.make(script), nvidiaSmiTimeoutMs }, systemClock)
  return asFound(await finder.read(AbortSignal.timeout(60_000)))
}

function asFound(reading: GpuReading): Found {
  if (reading.kind === 'none') return { gpus: [], warnings: [], failure: '' }
  if (reading.kind === 'failed') return { gpus: [], warnings: [reading.reason], failure: reading.reason }
  const gpus = reading.gpus.map(({ uuid, model, memoryBytes, parentUuid, trouble, hindrance }) => ({
    ...{ uuid, model, memoryBytes, parentUuid },
    unusableReason: trouble || hindrance,
  }))
  return { gpus, warnings: reading.warnings, failure: '' }
}

const gibibytes = (list: Found) => list.gpus.map(({ memoryBytes }) => Math.round(memoryBytes / 2 ** 30))

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
    failure: '',
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
      ['GPU-5678', 'It does not tell its memory: [Unknown Error].'],
    ],
  )
})

test('a table of GPUs goes with the table of processes', async (t) => {
  const script = `case "$*" in --query-gpu*) cat l40s-table.csv ;;
--query-compute-apps*) echo 'gpu_uuid, pid, process_name'
echo 'GPU-00000000-0000-0000-0000-000000000000, 20037, ffmpeg -i a, b'; echo 'GPU-other, 1, x' ;;
*) exit 2; esac`
  const finder = new GpuFinder({ nvidiaSmi: scripts.make(script) }, systemClock)
  const reading = await finder.read(AbortSignal.timeout(60_000))
  t.deepEqual(reading.kind === 'read' && reading.gpus[0]?.processes, [
    { pid: 20037, name: 'ffmpeg -i a, b', instance: '' },
  ])
})

test('a GPU that tells nothing but where it is, is the one that was there', async (t) => {
  const lost = 's#>[^<>]+</#>GPU is lost</#'
  const finder = new GpuFinder(
    { nvidiaSmi: scripts.make(`sed -E '/<gpu id/,$ ${lost}' t4.xml`) },
    systemClock,
  )
  const reading = await finder.read(AbortSignal.timeout(60_000))
  if (reading.kind !== 'read') return t.fail(reading.kind)
  t.deepEqual(reading.gpus, [])
  t.deepEqual([...reading.lost], [['0000:00:1e', 'It does not tell its UUID: GPU is lost.']])
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

test('the parts of a divided GPU are found where only tables are answered', async (t) => {
  const list = await found(`case "$*" in -L) cat written/a100-list-driver-460.txt ;;
*--format=csv) cat written/a100-driver-460.csv ;; *) exit 2; esac`)
  t.deepEqual(
    list.gpus.map(({ uuid, model }) => `${uuid.slice(-4)} ${model}`),
    ['/1/0 A100-SXM4-40GB MIG 3g.20gb', '/2/0 A100-SXM4-40GB MIG 1c.3g.20gb'],
  )
  t.deepEqual([...new Set(list.gpus.map(({ memoryBytes }) => memoryBytes))], [20e9])
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
  title: (title = '') => `${title}: no GPUs, and a reason`,
  async exec(t, script: string, reason: RegExp) {
    const { gpus, failure, warnings } = await found(script, reason.source.includes('did not') ? 2000 : 60_000)
    t.deepEqual(gpus, [])
    t.is(warnings.length, 1)
    t.regex(failure, reason)
  },
})
test('no driver', useless, 'cat no-driver.txt; exit 9', /failed \(9\): NVIDIA-SMI has failed/)
test('no driver, said on stderr', useless, 'cat no-driver.txt >&2; exit 9', /failed \(9\): NVIDIA-SMI has/)
test('a library that is missing', useless, 'echo "error while loading" >&2; exit 127', /\(127\): error while/)
test('nothing and a good end', useless, 'exit 0', /says nothing/)
test('nonsense', useless, 'echo what?', /nothing that is understood/)
test('one that is ended', useless, 'kill -SEGV $$', /ended by SIGSEGV/)
test('one that says too much', useless, 'exec yes nvidia-smi', /more than 8 MiB/)
test('one that hangs', useless, 'sleep 1000', /did not answer within 2 s/)
test('one that hangs with its output open', useless, 'cat t4.xml; sleep 1000 & sleep 1000', /did not answer/)

test('of output that is cut off the whole GPUs count, with a warning', async (t) => {
  const none = await found('if [ "$1" = -L ]; then exit 1; fi; cat cut-off.txt')
  t.deepEqual(none.gpus, [])
  t.regex(none.warnings.join(), /cut off/)
  const some = await found('if [ "$1" = -L ]; then exit 1; fi; head -n 700 eight-h100.txt')
  t.is(some.gpus.length, 3)
  t.regex(some.warnings.join(), /cut off/)
  const xml = await found('if [ "$1" = -L ]; then exit 1; fi; head -n 100 written/two-v100.xml')
  t.deepEqual(
    xml.gpus.map(({ model }) => model),
    ['Tesla V100-SXM2-16GB'],
  )
  t.regex(xml.warnings.join(), /cut off/)
})

test('one GPU that is lost does not hide the others: they are asked for one by one', async (t) => {
  const lost = 'Unable to determine the device handle for GPU0000:CB:00.0: Unknown Error'
  const list = await found(`case "$*" in
'-q -x -i GPU-1a2b3c4d-0021-4c5d-8e9f-000000000021') cat written/gb200.xml ;;
-L) echo 'GPU 0: NVIDIA GB200 (UUID: GPU-1a2b3c4d-0021-4c5d-8e9f-000000000021)'; echo '${lost}'; exit 15 ;;
*) echo '${lost}'; exit 255 ;;
esac`)
  t.deepEqual(
    list.gpus.map(({ model }) => model),
    ['NVIDIA GB200'],
  )
  t.regex(list.warnings.join(), /0000:CB:00.0: Unknown Error/)
})

test('what it says besides its report is a warning', async (t) => {
  const remark = 'WARNING: infoROM is corrupted at gpu 0000:00:1E.0'
  const list = await found(`echo '${remark}'; cat t4.xml; echo '${remark}'; exit 14`)
  t.is(list.gpus.length, 1)
  t.true(list.warnings.includes(`nvidia-smi says: ${remark}`))
  t.true(list.warnings.some((line) => line.startsWith('nvidia-smi failed (14)')))
})

test('no devices is an answer, whatever the exit status', async (t) => {
  for (const end of [0, 6]) {
    const list = await found(`echo 'No devices were found'; exit ${end}`)
    t.deepEqual(list, { gpus: [], warnings: [], failure: '' })
  }
})

test('lines may end as they do elsewhere, and numbers have separators', async (t) => {
  const list = await found("printf '\\357\\273\\277'; sed -e 's/15360 MiB/15,360 MiB/' -e 's/$/\\r/' t4.xml")
  t.deepEqual(gibibytes(list), [15])
  const text = await found("sed -e 's/81559 MiB/81.559 MiB/' -e 's/$/\\r/' h100-loaded.txt")
  t.deepEqual(gibibytes(text), [80])
})

test('cells with errors are reasons where something depends on them, and warnings elsewhere', async (t) => {
  const lost = await found("sed 's/15360 MiB/[GPU is lost]/' t4.xml")
  t.regex(lost.gpus[0]?.unusableReason ?? '', /lost/)
  const reset = await found("sed 's/>22 MiB</>[GPU requires reset]</' t4.xml")
  t.regex(reset.gpus[0]?.unusableReason ?? '', /reset/)
  const named = await found("sed 's#/usr/lib/xorg/Xorg#GPU requires reset#' t4.xml")
  t.is(named.gpus[0]?.unusableReason, '')
  const model = await found("sed 's/Tesla T4/ERR!/' t4.xml")
  t.regex(model.gpus[0]?.unusableReason ?? '', /model: ERR!/)
  const fan = await found('cat written/geforce.xml')
  t.is(fan.gpus[0]?.unusableReason, '')
  t.regex(fan.warnings.join(), /fan_speed is ERR!/)
  const nameless = await found("sed 's/GPU-d37e67a5[^<]*/[Unknown Error]/' t4.xml")
  t.deepEqual(nameless.gpus, [])
  t.regex(
    nameless.warnings.join(),
    /\(0000:00:1e\) does not tell its UUID and is left out: \[Unknown Error\]/,
  )
})

test('one that hangs is not started again beside itself, and is asked again when it has ended', async (t) => {
  const log = join(scripts.folder, 'calls')
  // The dead driver: neither it nor its output ever ends for who waits.
  const script = `echo call >>${log}; if [ -e ${log}.go ]; then cat t4.xml; else exec sleep 1000; fi`
  const clock = new FakeClock()
  const finder = new GpuFinder({ nvidiaSmi: scripts.make(script), nvidiaSmiTimeoutMs: 300 }, clock)
  const signal = AbortSignal.timeout(60_000)
  const reading = finder.read(signal)
  while (!existsSync(log)) await setImmediate()
  await clock.advance(300)
  const first = await reading
  t.true(first.kind === 'failed' && /did not answer within 0.3 s/.test(first.reason))
  scripts.touch(`${log}.go`)
  let again = await finder.read(signal)
  for (; again.kind === 'failed' && /still hangs/.test(again.reason); again = await finder.read(signal))
    await setImmediate()
  t.is(again.kind, 'read')
  t.is(scripts.lines(log), 2)
})

test('what was named and is not there is a reason; without a name there are just no GPUs', async (t) => {
  const signal = AbortSignal.timeout(60_000)
  const settings = { nvidiaSmi: join(scripts.folder, 'none') }
  const named = asFound(await new GpuFinder(settings, systemClock).read(signal))
  t.regex(named.failure, /could not be run/)
  t.is((await new GpuFinder({}, systemClock).read(signal)).kind, 'none')
})
