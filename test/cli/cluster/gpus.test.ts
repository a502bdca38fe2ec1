import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { type ListedGpus, listGpus } from '../../../cli/cluster/gpus.js'

const folder = mkdtempSync(join(tmpdir(), 'spell-list-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))
let made = 0

/** The answer to an nvidia-smi that does this: named, or just on the search path. */
async function listed(script: string, how: 'named' | 'there', patienceMs = 60_000): Promise<ListedGpus> {
  made += 1
  const place = mkdtempSync(join(folder, `${made}-`))
  const program = join(place, 'nvidia-smi')
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  const nvidiaSmi = how === 'named' ? program : undefined
  return await listGpus({ nvidiaSmi, searchPath: [place], patienceMs })
}

const two = `cat <<'END'
GPU 0: Tesla T4 (UUID: GPU-d37e67a5-91dd-3774-a5cb-99096249601a)\r
GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-513536b6-7d19-9063-b049-1e69664bb298)
  MIG 1g.10gb     Device  0: (UUID: MIG-00000000-0000-0000-0000-000000000000)
END`
const uuids = ['GPU-d37e67a5-91dd-3774-a5cb-99096249601a', 'GPU-513536b6-7d19-9063-b049-1e69664bb298']

test('GPUs are listed, and MIG devices go with theirs', async (t) => {
  t.deepEqual(await listed(two, 'named'), { uuids, warnings: [] })
  t.deepEqual(await listed("echo 'No devices were found'; exit 6", 'named'), { uuids: [], warnings: [] })
  t.deepEqual(await listed('true', 'named'), { uuids: [], warnings: [] })
  t.deepEqual(await listGpus({ searchPath: [folder] }), { uuids: [], warnings: [] })
})

test('GPUs beside one that is lost are listed, with what it says', async (t) => {
  const lost = 'Unable to determine the device handle for gpu 0000:CB:00.0: GPU is lost.'
  const found = await listed(`${two}\necho '${lost}'; exit 15`, 'there')
  t.deepEqual(found.uuids, uuids)
  t.is(found.warnings.length, 2)
  t.true(found.warnings[0]?.endsWith(`says: ${lost}`))
  t.regex(found.warnings[1] ?? '', /ended with status 15/)
})

const nothing = test.macro({
  title: (title = '') => `${title}: a sentence, and an end only where it was named`,
  async exec(t, script: string, reason: RegExp, patienceMs?: number) {
    await t.throwsAsync(listed(script, 'named', patienceMs), { message: reason })
    const { uuids: none, warnings } = await listed(script, 'there', patienceMs)
    t.deepEqual(none, [])
    t.regex(warnings.join(), reason)
    t.regex(warnings.join(), /so none are offered/)
  },
})
test(
  'no driver',
  nothing,
  'echo "NVIDIA-SMI has failed"; exit 9',
  /list any GPUs.*status 9: NVIDIA-SMI has failed/,
)
test('nonsense', nothing, 'echo what?', /printed "what\?"/)
test('one that is ended', nothing, 'kill -SEGV $$', /ended with SIGSEGV/)
test('one that hangs', nothing, 'trap "" TERM; sleep 1000 & sleep 1000', /did not answer within 0.5 s/, 500)
