import { join } from 'node:path'
import { execa } from 'execa'
import type { ScheduleResult } from './schedule.js'

/** One schedule in a process of its own, with the programs of this build. It ends with this process, however that ends. */
export async function runApart(build: string, seed: number): Promise<ScheduleResult> {
  const main = join(build, 'test/faults/schedule/main.js')
  const words = ['--pdeathsig=KILL', process.execPath, main, String(seed)]
  const { stdout } = await execa('setpriv', words)
  return JSON.parse(stdout) as ScheduleResult
}
