import { readFileSync } from 'node:fs'
import { type LinuxProcess, processOf } from './linux-processes.js'

/** Ids of the containers that a process is in: the engine has them in the names of its control groups. */
export function containersAround(pid: number): readonly string[] {
  return readProc(`/proc/${pid}/cgroup`).match(/[0-9a-f]{64}/g) ?? []
}

/** What tells whose a plain process is: the sessions and the marks of it and of those that it descends from. */
export interface Origin {
  readonly sessions: ReadonlySet<number>
  /** Values of this variable in their environments. */
  readonly marks: ReadonlySet<string>
}

export function originOf(pid: number, variable: string): Origin {
  const sessions = new Set<number>()
  const marks = new Set<string>()
  for (const each of lineOf(pid)) {
    sessions.add(each.session)
    for (const entry of readProc(`/proc/${each.pid}/environ`).split('\0'))
      if (entry.startsWith(`${variable}=`)) marks.add(entry.slice(variable.length + 1))
  }
  return { sessions, marks }
}

/** The process and its parents, up to the first of the machine. */
function lineOf(pid: number): readonly LinuxProcess[] {
  const line: LinuxProcess[] = []
  for (let at = processOf(pid); at && line.length < longestLine; at = processOf(at.parent)) {
    line.push(at)
    if (at.parent <= 1) break
  }
  return line
}

const longestLine = 1000

/** Of one that has ended, or may not be looked at, nothing. */
function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
