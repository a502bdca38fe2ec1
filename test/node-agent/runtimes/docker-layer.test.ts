import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { systemRandom } from '../../../common/random.js'
import { DockerRuntime } from '../../../node-agent/runtimes/docker.js'
import { Bench, never } from '../../contracts/runtime-under-test.js'
import { baseImage, ensureBaseImage } from '../../fixtures/base-image.js'
import { findEngine, noDockerHere } from '../../fixtures/docker.js'

const reason = await noDockerHere()
test('what a run writes to its container besides /spell is told', async (t) => {
  if (reason !== undefined) return t.fail(reason)
  t.timeout(300_000)
  const engine = await findEngine()
  t.teardown(() => engine.stop())
  const { socketPath } = engine
  await ensureBaseImage(socketPath)
  const parts = { clock: systemClock, random: systemRandom }
  const bench = new Bench({
    open: (attemptsFolder) => new DockerRuntime({ nodeId: 'layer', attemptsFolder, socketPath }, parts),
    image: baseImage,
    deaf: '',
  })
  t.teardown(() => bench.end())
  const task = await bench.start(
    'head -c 3000000 /dev/zero > /tmp/beside; head -c 9000000 /dev/zero > inside',
  )
  await bench.runtime.wait(task.id, never)
  const bytes = await bench.runtime.layerBytes(task.id)
  t.true(bytes >= 3_000_000 && bytes < 4_000_000, String(bytes))
  await bench.runtime.remove(task.id)
  t.is(await bench.runtime.layerBytes(task.id), 0)
})
