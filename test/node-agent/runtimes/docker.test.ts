import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { systemRandom } from '../../../common/random.js'
import { DockerRuntime } from '../../../node-agent/runtimes/docker.js'
import { processContract } from '../../contracts/process-contract.js'
import { testRuntime } from '../../contracts/runtime-cases.js'
import { runtimeContract } from '../../contracts/runtime-contract.js'
import { baseImage, ensureBaseImage } from '../../fixtures/base-image.js'
import { findEngine, noDockerHere } from '../../fixtures/docker.js'

const reason = await noDockerHere()
if (reason !== undefined) test('there is a Docker Engine to try it on', (t) => t.fail(reason))
else {
  const engine = await findEngine()
  const { socketPath } = engine
  test.before(async (t) => {
    t.timeout(300_000)
    await ensureBaseImage(socketPath)
  })
  test.after.always(() => engine.stop())

  testRuntime(test, { ...runtimeContract, ...processContract }, () => ({
    open: (attemptsFolder) =>
      new DockerRuntime(
        { nodeId: 'test', attemptsFolder, socketPath },
        { clock: systemClock, random: systemRandom },
      ),
    image: baseImage,
    deaf: "trap '' TERM",
    extraVariables: ['HOSTNAME', 'USER'],
  }))
}
