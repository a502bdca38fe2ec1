import { systemClock } from '../common/clock.js'
import { messageOf } from '../common/errors.js'
import { killAt, noFailpoints } from '../common/failpoint.js'
import { makeLog } from '../common/log.js'
import { systemRandom } from '../common/random.js'
import { SettingsError } from '../common/settings.js'
import { notYet } from '../proto/model/not-yet.js'
import { Coordinator } from './coordinator.js'
import { type CoordinatorSettings, coordinatorSettings } from './settings.js'

/** Exit codes: 0 after a clean end, 1 when it could not start, 2 for bad settings. */
async function main(): Promise<void> {
  const settings = readSettings()
  if (!settings) return
  const log = makeLog('coordinator', settings.logLevel).with({ coordinator: settings.id })
  const { failpoint } = settings
  const coordinator = new Coordinator(settings, {
    clock: systemClock,
    random: systemRandom,
    failpoints: failpoint ? killAt(failpoint.name, failpoint.nth) : noFailpoints,
    log,
    notYet,
  })
  const stop = () => {
    coordinator.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error('This coordinator did not end cleanly', { error })
        process.exit(1)
      },
    )
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  try {
    await coordinator.start()
  } catch (error) {
    log.error('This coordinator cannot start', { reason: messageOf(error), error })
    process.exit(1)
  }
}

function readSettings(): CoordinatorSettings | undefined {
  try {
    return coordinatorSettings(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 2
    return undefined
  }
}

await main()
