import { systemClock } from '../common/clock.js'
import { messageOf } from '../common/errors.js'
import { killAt, noFailpoints } from '../common/failpoint.js'
import { makeLog } from '../common/log.js'
import { systemRandom } from '../common/random.js'
import { SettingsError } from '../common/settings.js'
import { startAgent } from './agent.js'
import { systemBootClock } from './boot-clock.js'
import { openDataFolder } from './data-folder.js'
import { makeGpuWatch } from './gpus/make-gpu-watch.js'
import { makeRuntime } from './make-runtime.js'
import { nodeIdOf } from './node-id.js'
import { adoptProxy, type NodeSettings, readIdentity, readNodeSettings } from './settings.js'

/** Exit codes: 0 after a clean end (runs go on), 1 when it could not start or go on, 2 for bad settings. */
async function main(settings: NodeSettings): Promise<void> {
  const log = makeLog('node-agent', settings.logLevel).with({ node: settings.name })
  adoptProxy()
  try {
    const folder = await openDataFolder(settings.dataDir)
    const { failpoint } = settings
    const nodeId = nodeIdOf(readIdentity(settings.tls).certificate)
    const choice = { ...settings, nodeId, attemptsFolder: folder.attempts }
    const runtime = makeRuntime(choice, { clock: systemClock, random: systemRandom })
    const boot = systemBootClock(systemClock)
    const gpus = makeGpuWatch({ settings, folder, runtime, boot, clock: systemClock, log })
    const agent = await startAgent({
      settings,
      folder,
      runtime,
      findGpus: (signal, held) => gpus.find(signal, held),
      clock: systemClock,
      boot,
      random: systemRandom,
      failpoints: failpoint ? killAt(failpoint.name, failpoint.nth) : noFailpoints,
      log,
    })
    process.once('SIGTERM', () => agent.stop())
    process.once('SIGINT', () => agent.stop())
    await agent.ended
    process.exit(0)
  } catch (error) {
    log.error('The node agent can not go on', { reason: messageOf(error), error })
    process.exit(1)
  }
}

function readSettings(): NodeSettings | undefined {
  try {
    return readNodeSettings(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 2
    return undefined
  }
}

const settings = readSettings()
if (settings) await main(settings)
