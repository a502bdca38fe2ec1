import { readdirSync, readFileSync } from 'node:fs'

// What runs on this machine, from Linux's /proc. A process is known by an argument that only it has (the path of its
// settings or data below the cluster's folder), so that one which was started by a supervisor that died in the next
// instruction is found all the same.

/** A process that cannot be mistaken for another: a pid comes again, with its start time it doesn't until a reboot. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since the machine's start. */
  readonly startTime: string
}

/** The processes that have this argument, whole. */
export function processesWith(argument: string): readonly ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => argumentsOf(pid).includes(argument))
    .flatMap((pid) => identityOf(Number(pid)) ?? [])
}

/** Undefined: there is no such process, or it has ended and only waits to be reaped. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = read(`/proc/${pid}/stat`)
  // The name, in parentheses, may hold blanks and parentheses itself; state is the first field after it (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startTime] = [fields[0], fields[19]]
  if (startTime === undefined || state === 'Z' || state === 'X') return undefined
  return { pid, startTime }
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startTime === identity.startTime
}

/** Does nothing when it has ended meanwhile. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return
  try {
    process.kill(identity.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function argumentsOf(pid: string): readonly string[] {
  return read(`/proc/${pid}/cmdline`).split('\0')
}

/** Empty for what went away between listing and reading. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
