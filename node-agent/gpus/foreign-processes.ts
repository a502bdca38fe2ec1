import { readFileSync } from 'node:fs'
import type { GpuProcess } from './gpu-processes.js'

/** Processes on a GPU that belong to no run of this node. */
export interface Ownership {
  /** Of these processes, those of this node's runs. UNAVAILABLE: it can't be found out now. */
  owned(pids: readonly number[]): Promise<ReadonlySet<number>>
}

const namedAtMost = 3

/** Why a GPU with these foreign processes on it is not offered. */
export function foreignReason(foreign: readonly GpuProcess[]): string {
  const named = foreign.slice(0, namedAtMost).map(describe)
  const more = foreign.length - named.length
  const all = [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ')
  return foreign.length === 1
    ? `A process that is no run's is on it: ${all}.`
    : `Processes that are no run's are on it: ${all}.`
}

/** `pid 4242 (alice, python train.py)`; nothing of a command line but names: it may hold secrets. */
function describe({ pid, name }: GpuProcess): string {
  const user = userOf(pid)
  const program = programOf(pid) ?? programIn(name)
  return `pid ${pid} (${[user ?? 'of another container', program].filter((part) => part !== '').join(', ')})`
}

export function isVisible(pid: number): boolean {
  return readProc(pid, 'status') !== undefined
}

function userOf(pid: number): string | undefined {
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(readProc(pid, 'status') ?? '')?.[1]
  if (uid === undefined) return undefined
  const entry = accounts().find((line) => line.split(':')[2] === uid)
  return printable(entry?.split(':')[0] ?? `user ${uid}`)
}

function accounts(): readonly string[] {
  try {
    return readFileSync('/etc/passwd', 'utf8').split('\n')
  } catch {
    return []
  }
}

/** The program, and the script where that is an interpreter. */
function programOf(pid: number): string | undefined {
  const words = (readProc(pid, 'cmdline') ?? '').split('\0')
  const program = baseName(words[0] ?? '')
  if (program === '') return printable((readProc(pid, 'comm') ?? '').trim()) || undefined
  const script = interpreter.test(program) ? (words[1] ?? '') : ''
  const named = script === '' || script.startsWith('-') ? program : `${program} ${baseName(script)}`
  return printable(named)
}

const interpreter = /^(python|pypy|node|perl|ruby|julia|bash|sh|dash|zsh|R|Rscript|lua)[\d.]*$/

/** What the driver calls it; `[Not Found]` says nothing. */
function programIn(name: string): string {
  return name.startsWith('[') ? '' : printable(baseName(name.split(/\s/)[0] ?? ''))
}

function baseName(path: string): string {
  return path.split('/').at(-1) ?? ''
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a1-\uffff]/g, '?').slice(0, 60)
}

/** Of a process that has ended, or may not be looked at, nothing. */
function readProc(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return undefined
  }
}
