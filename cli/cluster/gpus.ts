import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { messageOf } from '../../common/errors.js'
import { Failure } from '../failure.js'
import { findProgram } from './programs.js'

/** The machine's GPUs, by UUID and in nvidia-smi's order; MIG devices go with their GPU. */
export interface ListedGpus {
  readonly uuids: readonly string[]
  /** What was odd about the answer. */
  readonly warnings: readonly string[]
}

export interface ListOptions {
  /** The program; looked for on the search path when left out. */
  readonly nvidiaSmi?: string | undefined
  readonly searchPath: readonly string[]
  /** Default 20,000: a dead driver lets nvidia-smi hang. */
  readonly patienceMs?: number
}

/**
 * Throws Failure when a program that was named does not list any. One that is just there may have no driver; then there are
 * no GPUs, and a warning.
 */
export async function listGpus(options: ListOptions): Promise<ListedGpus> {
  const { nvidiaSmi, searchPath, patienceMs = 20_000 } = options
  const program = nvidiaSmi ?? findProgram('nvidia-smi', searchPath)
  if (program === undefined) return { uuids: [], warnings: [] }
  const { output, trouble } = await ask(program, patienceMs)
  const lines = output.split(/\r?\n/).map((line) => line.trim())
  const uuids = [...new Set(lines.flatMap((line) => uuidIn(line) ?? []))]
  const none = /^no devices were found/i.test(lines[0] ?? '') || (output.trim() === '' && trouble === '')
  if (uuids.length === 0 && !none) {
    const reason = trouble || `it printed ${JSON.stringify(output.trim().slice(0, 200))}`
    if (nvidiaSmi !== undefined) throw new Failure('error', `${nvidiaSmi} did not list any GPUs: ${reason}`)
    return { uuids, warnings: [`${program} did not list any GPUs, so none are offered: ${reason}`] }
  }
  const odd = lines.filter((line) => line !== '' && uuidIn(line) === undefined && !/^(MIG|No) /.test(line))
  const complaints = [...odd.slice(0, mostComplaints), ...(none ? [] : [trouble])]
  const said = complaints.filter((line) => line !== '').map((line) => `${program} says: ${line}`)
  return { uuids, warnings: [...new Set(said)] }
}

const mostComplaints = 10
const mostBytes = 1024 * 1024

/** `GPU 0: Tesla T4 (UUID: GPU-d37e67a5-…)` */
function uuidIn(line: string): string | undefined {
  return /^GPU \d+:.*\(UUID: ((?:GPU-)?[0-9a-f]+(?:-[0-9a-f]+)+)\)/i.exec(line)?.[1]
}

interface Answer {
  readonly output: string
  /** Empty: it ended well. */
  readonly trouble: string
}

/** Never waits for longer, also for one that a dead driver holds and that can't be ended. */
async function ask(program: string, patienceMs: number): Promise<Answer> {
  const child = spawn(program, ['-L'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { LC_ALL: 'C', PATH: '/usr/local/bin:/usr/bin:/bin' },
  })
  let [output, complaint] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(0, mostBytes)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, mostBytes)
  })
  try {
    const signal = AbortSignal.timeout(patienceMs)
    const [code, ending] = (await once(child, 'close', { signal })) as [number | null, string | null]
    if (code === 0) return { output, trouble: '' }
    const words = (complaint.trim() || output.trim()).split('\n')[0] ?? ''
    return {
      output,
      trouble: `it ended with ${ending ?? `status ${code}`}${words === '' ? '' : `: ${words}`}`,
    }
  } catch (error) {
    if (child.pid === undefined) return { output: '', trouble: messageOf(error) }
    child.once('error', () => undefined)
    child.unref()
    child.stdout.destroy()
    child.stderr.destroy()
    endGroup(child.pid)
    return { output: '', trouble: `it did not answer within ${patienceMs / 1000} s; the driver may be dead` }
  }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
