import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import type { ClusterStatus } from '../../cli/cluster/status.js'
import { readConfig } from '../../cli/config.js'
import { Channel } from '../../proto/channel.js'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const spellProgram = join(root, 'bundle/spell.cjs')

/** A real cluster in a folder of its own, for one measurement. */
export interface BenchCluster {
  readonly dir: string
  readonly env: NodeJS.ProcessEnv
  readonly access: Access
  spell(...words: string[]): Promise<string>
  status(): Promise<ClusterStatus>
  /** The leader's metrics by name with labels, as its page prints them. */
  metrics(): Promise<ReadonlyMap<string, number>>
  /** Ends the processes; their logs stay to be read. Safe to call twice. */
  end(): Promise<void>
  /** Ends it and removes everything. */
  down(): Promise<void>
}

/** What a client program of its own needs. */
export interface Access {
  readonly addresses: readonly string[]
  readonly ca: string
  readonly token: string
}

export function channelFor(access: Access): Channel {
  return new Channel({ addresses: access.addresses, tls: { ca: access.ca }, token: access.token })
}

export async function startBenchCluster(words: readonly string[]): Promise<BenchCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'spell-bench-'))
  const dir = join(folder, 'cluster')
  const env = { ...process.env, SPELL_DIR: join(folder, 'client') }
  const spell = async (...line: string[]) =>
    (await execa(process.execPath, [spellProgram, ...line], { env, stdin: 'ignore' })).stdout
  let ended: Promise<unknown> | undefined
  const end = async () => {
    ended ??= spell('cluster', 'down', '--yes', '--dir', dir)
    await ended
  }
  const down = async () => {
    await end()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await spell('cluster', 'up', '--detach', '--dir', dir, ...words)
  } catch (error) {
    await down().catch(() => undefined)
    throw error
  }
  const context = (await readConfig(env.SPELL_DIR)).contexts[0]
  if (!context) throw new Error('The cluster came up without a context.')
  const { addresses, ca, token } = context
  return {
    ...{ dir, env, spell, access: { addresses, ca, token } },
    status: async () => JSON.parse(await spell('cluster', 'status', '--json', '--dir', dir)) as ClusterStatus,
    metrics: async () => parseMetrics(await (await fetch(`http://${metricsAddress(dir)}/metrics`)).text()),
    end,
    down,
  }
}

/** A Node program of this folder, as a process of its own that is told what to do on stdin and answers on stdout. */
export async function clientProgram<Answer>(file: string, task: unknown): Promise<Answer> {
  const child = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(task))
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`${file} ended with ${code}`)
  return JSON.parse(said) as Answer
}

/** CPU seconds that a process has used so far, from /proc/<pid>/stat (clock ticks of 10 ms). */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function metricsAddress(dir: string): string {
  const settings = JSON.parse(readFileSync(join(dir, 'settings/coordinator-1.json'), 'utf8')) as {
    metricsListen: string
  }
  return settings.metricsListen
}

/** By name with labels, as the page of a Prometheus client prints them. */
export function parseMetrics(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const gap = line.lastIndexOf(' ')
      return [line.slice(0, gap), Number(line.slice(gap + 1))]
    }),
  )
}
