import { systemClock } from '../../common/clock.js'
import { messageOf } from '../../common/errors.js'
import { makeLog } from '../../common/log.js'
import { systemRandom } from '../../common/random.js'
import { layoutOf } from './layout.js'
import { lockHolder } from './lock.js'
import { readPlan } from './plan-file.js'
import { identityOf } from './process-table.js'
import { prepareProcesses } from './processes.js'
import { findPrograms } from './programs.js'
import { readProgress, writeProgress } from './progress-file.js'
import { localEnvironment } from './settings.js'
import { Supervisor } from './supervisor.js'

// `supervisor-main.js --cluster=DIR --programs=ROOT`: what `spell cluster up` leaves behind. SIGTERM ends it and nothing
// else; `spell cluster down` then ends the processes.

/** Certificates are looked at this often. */
const renewalLookMs = 3_600_000

const log = makeLog('spell-cluster')
const leaving = new AbortController()
process.on('SIGTERM', () => leaving.abort())
process.on('SIGINT', () => leaving.abort())
process.on('SIGHUP', () => undefined)

main().then(
  () => process.exit(0),
  (error: unknown) => {
    log.error('the supervisor ends', { error })
    process.stderr.write('', () => process.exit(1))
  },
)

async function main(): Promise<void> {
  const layout = layoutOf(option('--cluster='))
  const me = identityOf(process.pid)
  while (lockHolder(layout)?.pid !== process.pid) await systemClock.sleep(20, AbortSignal.timeout(10_000))
  const environment = localEnvironment()
  const preparation = {
    layout,
    programs: findPrograms(environment.searchPath, option('--programs=')),
    userName: environment.userName,
    clock: systemClock,
  }
  const parts = {
    clock: systemClock,
    random: systemRandom,
    log,
    environment: environment.forProcesses,
    report: (processes: Parameters<typeof writeProgress>[1]['processes']) =>
      writeProgress(layout, { supervisor: me, processes }),
  }
  writeProgress(layout, { ...readProgress(layout), supervisor: me })
  while (!leaving.signal.aborted) {
    const plan = readPlan(layout)
    if (!plan) throw new Error(`${layout.planFile} is gone`)
    const processes = await prepareProcesses({ ...preparation, plan })
    const until = AbortSignal.any([leaving.signal, AbortSignal.timeout(renewalLookMs)])
    await new Supervisor(parts, readProgress(layout).processes).keep(processes, until)
  }
  log.info('told to leave; the processes go on')
}

function option(name: string): string {
  const found = process.argv.find((argument) => argument.startsWith(name))
  if (found === undefined) throw new Error(messageOf(`${name} is missing`))
  return found.slice(name.length)
}
