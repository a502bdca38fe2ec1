import { readFileSync } from 'node:fs'
import type { Machine } from '../../fixtures/machines.js'
import { pauseProcess, resumeProcess } from '../../fixtures/pause.js'

/** Nothing on the machine moves until it is woken by what this gives; its clock goes on, as the kernel's does over a suspend. */
export async function suspendMachine(machine: Machine): Promise<() => void> {
  const stopped = new Set<number>()
  const left = () => machine.processesWith('').filter((pid) => !stopped.has(pid) && isThere(pid))
  for (let pids = left(); pids.length > 0; pids = left())
    for (const pid of pids) {
      if (isThere(pid)) await pauseProcess(pid)
      stopped.add(pid)
    }
  // An nsenter, which is outside, stops with its child, and has to go on to see that end.
  const outside = [...stopped].map(parentOf).filter((pid) => nameOf(pid) === 'nsenter')
  return () => {
    for (const pid of [...outside, ...stopped]) if (isThere(pid)) resumeProcess(pid)
  }
}

const isThere = (pid: number) => !['', 'Z', 'X'].includes(statOf(pid)[0] ?? '')
const parentOf = (pid: number) => Number(statOf(pid)[1] ?? 0)
const nameOf = (pid: number) => read(`/proc/${pid}/comm`).trim()

/** State, parent and so on: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
function statOf(pid: number): readonly string[] {
  const stat = read(`/proc/${pid}/stat`)
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** Empty for one that is gone. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
