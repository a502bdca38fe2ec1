import { existsSync, mkdirSync } from 'node:fs'
import type { Log } from '../../common/log.js'
import { systemRandom } from '../../common/random.js'
import { endProcesses } from '../cluster/end-processes.js'
import type { Layout } from '../cluster/layout.js'
import { releaseLock, takeLock } from '../cluster/lock.js'
import { type ProcessIdentity, processesWith } from '../cluster/process-table.js'
import { readProgress, writeProgress } from '../cluster/progress-file.js'
import { localEnvironment } from '../cluster/settings.js'
import { Supervisor } from '../cluster/supervisor.js'
import { Failure } from '../failure.js'
import { note, type World } from '../world.js'
import type { StartPlan } from './program-plans.js'

/**
 * Stays and keeps the programs running until ^C or SIGTERM, which end them, the last one first. An agent that is ended
 * leaves its runs alone. Programs that a killed `spell` left running are taken over.
 */
export async function keepRunning(world: World, plans: readonly StartPlan[]): Promise<void> {
  const held: StartPlan[] = []
  const leaving = new AbortController()
  const leave = () => leaving.abort()
  const forget = world.onInterrupt(leave)
  process.on('SIGTERM', leave)
  try {
    for (const plan of plans) {
      mkdirSync(plan.folder.layout.logFolder, { recursive: true, mode: 0o700 })
      mkdirSync(plan.folder.dataFolder, { recursive: true, mode: 0o700 })
      takeLock(plan.folder.layout, alreadyKept)
      held.push(plan)
    }
    for (const { process: planned } of plans)
      note(world, `Keeping ${planned.name} running; it writes to ${planned.logFile}.`)
    note(world, '^C ends it.')
    await Promise.all(plans.map((plan) => keepOne(world, plan, leaving.signal)))
  } finally {
    forget()
    process.off('SIGTERM', leave)
    for (const plan of held.toReversed()) {
      await endProcesses(processesWith(plan.process.mark), world.clock)
      releaseLock(plan.folder.layout)
    }
  }
}

async function keepOne(world: World, { folder, process: planned }: StartPlan, signal: AbortSignal) {
  const before = existsSync(folder.layout.progressFile) ? readProgress(folder.layout).processes : []
  const supervisor = new Supervisor(
    {
      clock: world.clock,
      random: systemRandom,
      log: notesOf(world),
      environment: localEnvironment().forProcesses,
      report: (processes) => writeProgress(folder.layout, { supervisor: undefined, processes }),
    },
    before,
  )
  await supervisor.keep([planned], signal)
}

export function alreadyKept({ dir }: Layout, holder: ProcessIdentity | undefined): Failure {
  const who = holder ? ` (process ${holder.pid})` : ''
  return new Failure('error', `Another "spell" keeps the program in ${dir} running${who}.`)
}

/** Of the supervisor's log what a person who watches wants to see. */
function notesOf(world: World): Log {
  const say = (sentence: string, facts: Readonly<Record<string, unknown>> = {}) => {
    const { process: name, error } = facts
    note(world, `${name}: ${sentence}${error === undefined ? '' : ` (${String(error)})`}`)
  }
  const log: Log = {
    debug() {},
    info: say,
    warn: say,
    error: say,
    with: () => log,
  }
  return log
}
