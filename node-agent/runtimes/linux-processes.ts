import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** What names a process for as long as the machine is up. */
export interface ProcessName {
  readonly pid: number
  /** Clock ticks since boot. */
  readonly startTicks: number
}

/** A line of `/proc/<pid>/stat` (proc(5)). */
export interface LinuxProcess extends ProcessName {
  readonly parent: number
  readonly group: number
  readonly session: number
  readonly zombie: boolean
}

/** Files in /proc never wait for a disk, and asynchronous reads of a few hundred of them cost ten times as much. */
export function processOf(pid: number): LinuxProcess | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  return stat === undefined ? undefined : parseStat(stat)
}

/** `pid (comm) state ppid pgrp session …`; comm is free text that may hold spaces and brackets. */
export function parseStat(stat: string): LinuxProcess | undefined {
  const close = stat.lastIndexOf(')')
  const fields = stat.slice(close + 2).split(' ', 20)
  const startTicks = Number(fields[19])
  if (close < 0 || !Number.isSafeInteger(startTicks)) return undefined
  const zombie = fields[0] === 'Z' || fields[0] === 'X'
  const [parent, group, session] = [Number(fields[1]), Number(fields[2]), Number(fields[3])]
  return { pid: Number.parseInt(stat, 10), parent, group, session, zombie, startTicks }
}

/**
 * `first` and what started after it, parents before their children; zombies have ended and are left out. Process ids ascend
 * until they wrap, which takes longer than two seconds: of a younger process only the ids above its own are looked at, and
 * without reading the list of all when these are few; then threads are among them (isThread).
 */
export function processesSince(first: ProcessName): readonly LinuxProcess[] {
  const lastPid = Number((readProc('/proc/loadavg') ?? '').trim().split(' ').at(-1))
  const ageTicks = Number.parseFloat(readProc('/proc/uptime') ?? '') * ticksPerSecond - first.startTicks
  const lowestPid = ageTicks < 2 * ticksPerSecond && lastPid >= first.pid ? first.pid : 1
  return pidsFrom(lowestPid, lastPid)
    .flatMap((pid) => processOf(pid) ?? [])
    .filter((found) => !found.zombie && found.startTicks >= first.startTicks)
    .sort((one, other) => one.startTicks - other.startTicks || one.pid - other.pid)
}

function pidsFrom(lowest: number, last: number): readonly number[] {
  // What is not there is asked for with existsSync, which makes no error of it: a few microseconds each.
  if (lowest > 1 && last - lowest < fewPids)
    return Array.from({ length: last - lowest + 1 }, (_, above) => lowest + above).filter((pid) =>
      existsSync(`/proc/${pid}`),
    )
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid >= lowest)
}

/** So many are looked for in less time than all are listed. */
const fewPids = 256

/** USER_HZ, which is this on every Linux that Node runs on. */
const ticksPerSecond = 100

export function isAlive(known: ProcessName): boolean {
  const found = processOf(known.pid)
  return found !== undefined && !found.zombie && found.startTicks === known.startTicks
}

/** Whether this is a thread of a process with another id. */
export function isThread(pid: number): boolean {
  const group = /^Tgid:\s+(\d+)$/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1]
  return group !== undefined && Number(group) !== pid
}

/** Whether the process was started with `NAME=value` in its environment; false where that may not be read. */
export function hasVariable(pid: number, assignment: string): boolean {
  const environment = readProc(`/proc/${pid}/environ`) ?? ''
  return environment.startsWith(`${assignment}\0`) || environment.includes(`\0${assignment}\0`)
}

/** What a file descriptor of a process is: a path, or `pipe:[inode]`; undefined where it has none or that may not be read. */
export function openFileOf(pid: number, fd: number): string | undefined {
  return quietly(() => readlinkSync(`/proc/${pid}/fd/${fd}`))
}

export function commandLineOf(pid: number): string {
  return readProc(`/proc/${pid}/cmdline`) ?? ''
}

/** Changes with every boot of the machine. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/** Sends a signal; one that has ended, or belongs to somebody else, is left alone. */
export function signalProcess(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ESRCH' && code !== 'EPERM') throw error
  }
}

function readProc(path: string): string | undefined {
  return quietly(() => readFileSync(path, 'utf8'))
}

/** Processes end while they are looked at, and others' may not be looked at. */
function quietly<Result>(read: () => Result): Result | undefined {
  try {
    return read()
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code)) return undefined
    throw error
  }
}
