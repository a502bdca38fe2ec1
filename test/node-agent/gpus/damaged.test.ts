import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { gpusOf, parseList } from '../../../node-agent/gpus/gpu-list.js'
import { parseReport } from '../../../node-agent/gpus/smi-report.js'
import { cutOff } from '../../../node-agent/gpus/smi-section.js'
import { captures } from '../fixtures/smi-scripts.js'

const files = [captures, join(captures, 'written')].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => /\.(xml|txt|csv)$/.test(name) && !/list|no-driver|cut-off/.test(name))
    .map((name) => join(folder, name)),
)

function devices(text: string) {
  const report = parseReport(text)
  return { uuids: gpusOf(report.sections, []).gpus.map(({ uuid }) => uuid), report }
}

for (const file of files)
  test(`${file.slice(captures.length + 1)}, cut off anywhere, shows no more than it has, and says so if it shows less`, (t) => {
    const text = readFileSync(file, 'utf8')
    const whole = devices(text)
    t.not(whole.report.incomplete, cutOff)
    const step = Math.max(1, Math.floor(text.length / 400))
    for (let length = 0; length < text.trimEnd().length; length += step) {
      const { uuids, report } = devices(text.slice(0, length))
      // A table's last cell may be cut in a way that nothing shows; then it is the whole line that counts.
      t.true(uuids.every((uuid) => whole.uuids.includes(uuid)) || file.endsWith('.csv'), `${length}`)
      if (uuids.length < whole.uuids.length && !file.endsWith('.csv'))
        t.not(report.incomplete, '', `${length}`)
    }
  })

test('long rows of blanks and deep nesting keep nobody waiting and end nothing', (t) => {
  const blanks = ' '.repeat(2_000_000)
  t.deepEqual(devices(`==NVSMI LOG==\nAttached GPUs : 1\nProduct Name${blanks}x\n`).uuids, [])
  const uuid = 'GPU-d37e67a5-91dd-3774-a5cb-99096249601a'
  const gpu = (inside: string) => `<gpu id="00000000:00:1E.0"><uuid>${uuid}</uuid>${inside}</gpu>`
  const nested = `${'<a>'.repeat(100_000)}${'</a>'.repeat(100_000)}`
  const { uuids, report } = devices(`<nvidia_smi_log>${gpu(nested)}</nvidia_smi_log>`)
  t.deepEqual([uuids, report.incomplete], [[], cutOff])
  t.deepEqual(devices(`<nvidia_smi_log>${gpu('<a><b>x</b></a>')}</nvidia_smi_log>`).uuids, [uuid])
})

test('whatever is printed, something is made of it', (t) => {
  const texts = files.map((file) => readFileSync(file, 'utf8').slice(0, 12_000))
  const damaged = fc
    .tuple(
      fc.constantFrom(...texts),
      fc.array(fc.tuple(fc.nat(12_000), fc.nat(40), fc.string({ maxLength: 30 })), { maxLength: 8 }),
    )
    .map(([text, changes]) =>
      changes.reduce((all, [at, drop, put]) => all.slice(0, at) + put + all.slice(at + drop), text),
    )
  fc.assert(
    fc.property(fc.oneof(damaged, fc.string({ maxLength: 2000 })), (text) => {
      const { uuids } = devices(text)
      parseList(text)
      return new Set(uuids).size === uuids.length
    }),
    { numRuns: 500 },
  )
  t.pass()
})
