import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { systemRandom } from '../../../common/random.js'
import { DockerRuntime } from '../../../node-agent/runtimes/docker.js'
import { Bench, never, output, untilOutput } from '../../contracts/runtime-under-test.js'
import { baseImage, ensureBaseImage } from '../../fixtures/base-image.js'
import { type OwnEngine, startOwnEngine } from '../../fixtures/docker.js'

/** A stand-in for NVIDIA's hook: notes what the engine asked for, in the file that SPELL_HOOK_LOG names. */
const hook = `#!/bin/sh
state=$(cat)
bundle=$(printf '%s' "$state" | sed -n 's/.*"bundle":"\\([^"]*\\)".*/\\1/p')
grep -o 'NVIDIA_[A-Z_]*=[^"]*' "$bundle/config.json" >>"$SPELL_HOOK_LOG"
`

// An engine of its own, since it is killed; in a network namespace, which takes root.
const can = process.getuid?.() === 0 ? test.serial : test.serial.skip
const folder = mkdtempSync(join(tmpdir(), 'spell-hook-'))
const hookLog = join(folder, 'asked')
let engine: OwnEngine | undefined

test.before(async (t) => {
  if (process.getuid?.() !== 0) return
  t.timeout(300_000)
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'bin/nvidia-container-runtime-hook'), hook, { mode: 0o755 })
  writeFileSync(hookLog, '')
  const env = { SPELL_HOOK_LOG: hookLog }
  engine = await startOwnEngine({ liveRestore: true, path: join(folder, 'bin'), env })
  await ensureBaseImage(engine.socketPath)
})
test.after.always(async () => {
  await engine?.stop()
  rmSync(folder, { recursive: true, force: true })
})

function benchOn(running: OwnEngine): Bench {
  const settings = { nodeId: 'own', socketPath: running.socketPath, network: 'none' }
  const parts = { clock: systemClock, random: systemRandom }
  const open = (attemptsFolder: string) => new DockerRuntime({ ...settings, attemptsFolder }, parts)
  return new Bench({ open, image: baseImage, deaf: "trap '' TERM" })
}

can('tasks go on while the engine is dead, and their ends are found', async (t) => {
  t.timeout(180_000)
  if (!engine) return t.fail()
  const bench = benchOn(engine)
  try {
    const through = await bench.start('for i in $(seq 100); do echo $i; sleep 0.1; done; exit 6')
    const meanwhile = await bench.start(
      'echo ready; while [ ! -e go ]; do sleep 0.1; done; echo went; exit 7',
    )
    const stopped = await bench.start(
      "trap 'sleep 1; echo saved; exit 9' TERM; echo ready; while :; do sleep 0.1; done",
    )
    const waiting = [through, meanwhile].map(({ id }) => bench.runtime.wait(id, never))
    for (const task of [meanwhile, stopped]) await untilOutput(task, 'ready')
    await engine.kill()
    await t.throwsAsync(bench.runtime.inspect(through.id), { code: 'UNAVAILABLE' })
    writeFileSync(join(meanwhile.spellFolder, 'go'), '')
    await untilOutput(meanwhile, 'went')
    await engine.restart()
    t.deepEqual(
      (await Promise.all(waiting)).map(({ exitCode }) => exitCode),
      [6, 7],
    )
    t.is(output(through), Array.from({ length: 100 }, (_none, index) => `${index + 1}\n`).join(''))
    await bench.runtime.terminate(stopped.id)
    t.is((await bench.runtime.wait(stopped.id, never)).exitCode, 9)
    t.true(output(stopped).endsWith('saved\n'))
  } finally {
    await bench.end()
  }
})

can('the engine is asked for the GPUs of the task, by UUID', async (t) => {
  if (!engine) return t.fail()
  const bench = benchOn(engine)
  try {
    const gpuUuids = ['GPU-ee7954ec-da95-fd7a-ddfd-c6b32cc2f8aa', 'GPU-47daa2ad-a218-6286-252b-af45f0dfaf00']
    const task = await bench.start('true', { gpuUuids })
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 0)
    t.true(readFileSync(hookLog, 'utf8').includes(`NVIDIA_VISIBLE_DEVICES=${gpuUuids.join(',')}`))
  } finally {
    await bench.end()
  }
})
