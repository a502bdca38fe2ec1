import type { Clock } from '../../common/clock.js'
import { isAlive, type ProcessIdentity, signalProcess } from './process-table.js'

const patienceMs = 15_000
const lookMs = 50

/** SIGTERM, and SIGKILL to those that are still there after 15 s. Resolves when all have ended. */
export async function endProcesses(processes: readonly ProcessIdentity[], clock: Clock): Promise<void> {
  for (const one of processes) signalProcess(one, 'SIGTERM')
  if (await ended(processes, clock)) return
  for (const one of processes) signalProcess(one, 'SIGKILL')
  await ended(processes, clock)
}

async function ended(processes: readonly ProcessIdentity[], clock: Clock): Promise<boolean> {
  const giveUpAt = clock.monotonic() + patienceMs
  while (processes.some(isAlive)) {
    if (clock.monotonic() > giveUpAt) return false
    await clock.sleep(lookMs)
  }
  return true
}
