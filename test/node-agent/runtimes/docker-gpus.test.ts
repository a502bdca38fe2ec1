import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { systemRandom } from '../../../common/random.js'
import { environmentOf } from '../../../node-agent/environment.js'
import { DockerRuntime } from '../../../node-agent/runtimes/docker.js'
import { Bench, never, output } from '../../contracts/runtime-under-test.js'
import { baseImage, deriveImage, ensureBaseImage } from '../../fixtures/base-image.js'
import { plainSpec } from '../../fixtures/full-spec.js'
import { type NvidiaEngine, startNvidiaEngine } from '../../fixtures/nvidia-engine.js'

// Engines of their own, in network namespaces, which takes root.
const can = process.getuid?.() === 0 ? test.serial : test.serial.skip
const seesAll = 'spell-test-sees-all:1'
const whole = ['GPU-ee7954ec-da95-fd7a-ddfd-c6b32cc2f8aa', 'GPU-47daa2ad-a218-6286-252b-af45f0dfaf00']
const slices = ['MIG-2a2b3c4d-0051-5c5d-8e9f-000000000001', 'MIG-2a2b3c4d-0051-5c5d-8e9f-000000000002']
const say = 'echo "$NVIDIA_VISIBLE_DEVICES|$CUDA_VISIBLE_DEVICES"'

for (const asDefault of [false, true]) {
  const engine = asDefault ? 'with NVIDIA as the runtime of all containers' : 'with the hook alone'
  can(`on an engine ${engine} a run sees the devices that it was given, and no others`, async (t) => {
    t.timeout(300_000)
    const nvidia = await startNvidiaEngine({ asDefault })
    t.teardown(() => nvidia.stop())
    await ensureBaseImage(nvidia.socketPath)
    const change =
      'ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all CUDA_VISIBLE_DEVICES=0,1,2,3'
    await deriveImage(nvidia.socketPath, { name: seesAll, from: baseImage, change })
    const bench = benchOn(nvidia)
    t.teardown(() => bench.end())
    const noted = async (
      gpuUuids: readonly string[],
      image: string,
      env: readonly (readonly [string, string])[] = [],
    ) => {
      const before = nvidia.noted().length
      const task = await bench.start(say, { gpuUuids, image, env: environmentFor(gpuUuids, env) })
      t.is((await bench.runtime.wait(task.id, never)).exitCode, 0)
      const after = nvidia.noted().slice(before)
      return { said: output(task).trim(), noted: after.map(({ by, devices }) => [by, ...devices]) }
    }
    const runtimeToo = (words: readonly string[]) => (asDefault ? [['runtime', ...words]] : [])
    const seen = (uuids: readonly string[]) => [`NVIDIA_VISIBLE_DEVICES=${uuids[0]}`, ...uuids.slice(1)]

    for (const uuids of [whole, slices, whole.slice(1)])
      for (const image of [baseImage, seesAll]) {
        const found = await noted(uuids, image)
        t.deepEqual(found.noted.map((line) => line[0]).sort(), asDefault ? ['hook', 'runtime'] : ['hook'])
        // Each value that is there, the image's among them, is the run's own.
        for (const [, ...devices] of found.noted) {
          const values = devices
            .join(',')
            .split(/,?NVIDIA_VISIBLE_DEVICES=/)
            .slice(1)
          t.true(values.length > 0)
          for (const value of values) t.is(value, uuids.join(','))
        }
        t.is(found.said.split('|')[0], uuids.join(','))
      }
    t.is((await noted(whole, baseImage, [['CUDA_VISIBLE_DEVICES', '1']])).said.split('|')[1], '1')

    for (const image of [baseImage, seesAll]) {
      const found = await noted([], image)
      t.deepEqual(found.noted, runtimeToo(seen(['void'])))
      t.is(found.said, 'void|')
    }
  })
}

function benchOn(nvidia: NvidiaEngine): Bench {
  const settings = { nodeId: 'own', socketPath: nvidia.socketPath, network: 'none' }
  const parts = { clock: systemClock, random: systemRandom }
  const open = (attemptsFolder: string) => new DockerRuntime({ ...settings, attemptsFolder }, parts)
  return new Bench({ open, image: baseImage, deaf: "trap '' TERM" })
}

/** As the agent makes it for an assignment of these devices. */
function environmentFor(
  gpuUuids: readonly string[],
  env: readonly (readonly [string, string])[],
): Readonly<Record<string, string>> {
  const spec = { ...plainSpec, env: env.map(([name, value]) => ({ name, value })) }
  const assignment = {
    ...{ id: { runId: 1, attempt: 1 }, creator: 'a', createdAtMs: 0, spec, defaultImage: '', cpus: 1 },
    ...{ memoryBytes: 1, gpuUuids, machineType: 'CPU', replaceable: false, lostAfterMs: 0, graceMs: 0 },
    ...{ diskBytes: 0, logLimitBytes: 1 },
  }
  return environmentOf(assignment, {})
}
