import { spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type BenchCluster, spellProgram, startBenchCluster } from '../bench-cluster.js'
import type { PartOptions } from '../part.js'
import { median, round, summary } from '../statistics.js'

// How long a short command takes from being started to its end: `spell ps` beside the smallest program that makes one
// TLS call to the same coordinator with grpc-js (smallest-call.ts), bundled with the same options. Both ask for the same
// thing, as processes of their own, in turn. `--version` and `--help` need no call; `node` with nothing to do is the floor.

const target = 1.3
const runsShown = 10

interface Candidate {
  readonly name: string
  readonly words: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

export async function measureCommand({
  short,
  say,
}: PartOptions): Promise<Readonly<Record<string, unknown>>> {
  const rounds = short ? 5 : 30
  const cluster = await startBenchCluster(['--runtime', 'dummy', '--nodes', '1'])
  // Beside this file, so that both bundles find the same packages.
  const smallest = join(dirname(spellProgram), 'smallest-call.cjs')
  try {
    await bundle(smallest)
    for (let run = 0; run < runsShown; run += 1) await cluster.spell('run', '-f', '-d', '-b', 'true')
    return report(inTurn(candidates(cluster, smallest), rounds), say)
  } finally {
    await cluster.down()
    await rm(smallest, { force: true })
  }
}

function candidates(cluster: BenchCluster, smallest: string): readonly Candidate[] {
  const { addresses, ca, token } = cluster.access
  const access = { ADDRESS: addresses[0], CA: ca, TOKEN: token }
  const { env } = cluster
  return [
    { name: 'ps', words: [spellProgram, 'ps'], env },
    { name: 'smallestCall', words: [smallest], env: { ...env, ...access } },
    { name: 'version', words: [spellProgram, '--version'], env },
    { name: 'help', words: [spellProgram, '--help'], env },
    { name: 'emptyNode', words: ['-e', '0'], env },
  ]
}

async function bundle(outfile: string): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL('./smallest-call.js', import.meta.url))],
    ...{ outfile, bundle: true, platform: 'node', target: 'node20', format: 'cjs', minify: true },
    ...{ legalComments: 'none', logLevel: 'warning' },
  })
}

/** Milliseconds of each start, by name. Two rounds before are not counted. */
function inTurn(chosen: readonly Candidate[], rounds: number): ReadonlyMap<string, readonly number[]> {
  const samples = new Map<string, number[]>(chosen.map(({ name }) => [name, []]))
  for (let round = -2; round < rounds; round += 1) {
    for (const { name, words, env } of chosen) {
      const spentMs = startToEnd(words, env)
      if (round >= 0) samples.get(name)?.push(spentMs)
    }
  }
  return samples
}

function startToEnd(words: readonly string[], env: NodeJS.ProcessEnv): number {
  const startedAt = performance.now()
  const { status, stderr } = spawnSync(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const spentMs = performance.now() - startedAt
  if (status !== 0) throw new Error(`${words.join(' ')} ended with ${status}: ${stderr}`)
  return spentMs
}

function report(
  samples: ReadonlyMap<string, readonly number[]>,
  say: (line: string) => void,
): Readonly<Record<string, unknown>> {
  const ms = Object.fromEntries([...samples].map(([name, values]) => [name, summary(values)]))
  const ratio = round(median(samples.get('ps') ?? []) / median(samples.get('smallestCall') ?? []))
  for (const [name, { p50, p99 }] of Object.entries(ms))
    say(`${name.padEnd(14)} p50 ${p50} ms, p99 ${p99} ms`)
  say(`spell ps takes ${ratio} times as long as the smallest call (target: at most ${target})`)
  return { ms, ratio, target }
}
