import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { execa } from 'execa'
import { type Random, seededRandom } from '../../common/random.js'
import { startCluster, type TestCluster } from '../fixtures/cluster.js'
import { noDockerHere, type OwnEngine, startOwnEngine } from '../fixtures/docker.js'
import { type Follower, readLog } from './bad-days-follower.js'
import { killPrograms, type Program } from './bad-days-programs.js'
import { parts, startWriter, until, type Writer } from './bad-days-writer.js'
import { chooseRounds } from './support/rounds.js'

// Ten runs, each with a follower. Programs are killed while the runs print; while these are dead the runs print more, and
// one of them ends. Nothing of it may be seen afterwards: no process of a run was stopped or started anew, every byte is in
// the kept log and came to its follower once, and each run has its own exit code and state.

interface Phase {
  readonly kill: readonly (Program | 'engine')[]
  /** How many runs end while these are dead. */
  readonly ending: number
  /** Milliseconds for which they stay dead after everything has been printed that they should miss. */
  readonly awayMs: number
}

/** Longer than a lease, a suspicion and every keepalive: the default of each is at most 20 s. */
const longMs = 30_000

const phasesOf: Readonly<Record<'process' | 'docker', readonly Phase[]>> = {
  process: [
    { kill: ['agent'], ending: 1, awayMs: 0 },
    { kill: ['coordinator'], ending: 1, awayMs: 0 },
    { kill: ['agent', 'coordinator', 'etcd'], ending: 2, awayMs: longMs },
  ],
  docker: [
    { kill: ['agent'], ending: 1, awayMs: 0 },
    { kill: ['engine'], ending: 1, awayMs: 0 },
    { kill: ['coordinator'], ending: 1, awayMs: 0 },
    { kill: ['agent', 'engine', 'coordinator', 'etcd'], ending: 1, awayMs: longMs },
  ],
}

interface Day {
  readonly cluster: TestCluster
  readonly engine: OwnEngine | undefined
  readonly random: Random
  readonly writers: readonly Writer[]
  readonly followers: ReadonlyMap<Writer, Follower>
  /** What may not change as long as a run goes on: its process and, in Docker, its container. */
  readonly alive: ReadonlyMap<Writer, string>
}

const short = process.env.SPELL_SHORT !== undefined

const badDay = test.macro({
  async exec(t, runtime: 'process' | 'docker') {
    t.timeout(1_200_000)
    if (runtime === 'docker') {
      const obstacle = await noDockerHere()
      if (obstacle !== undefined) return t.fail(obstacle)
    }
    const [seed = 0] = chooseRounds({ rounds: 1, short: 1 }).seeds
    t.log({ seed })
    const day = await begin(t, runtime, seededRandom(seed))
    const going = [...day.writers]
    const ended: Writer[] = []
    for (const [index, phase] of phasesOf[runtime].entries()) {
      const ending = going.splice(0, phase.ending)
      await survive(t, day, { phase, part: 2 * index + 1, going, ending })
      ended.push(...ending)
    }
    const [stopped, killed, ...rest] = going as [Writer, Writer, ...Writer[]]
    await checkEnd(t, day, ended, 'complete')
    const atKill = killed.note()
    t.is((await day.cluster.spell(['kill', `${killed.runId}`])).code, 0)
    t.is((await day.cluster.spell(['stop', '-q', `${stopped.runId}`])).code, 0)
    for (const writer of rest) writer.open(parts)
    await checkEnd(t, day, rest, 'complete')
    await checkEnd(t, day, [stopped], 'stopped')
    await checkKilled(t, day, killed, atKill)
  },
  title: (_, runtime) =>
    `programs are killed around ten runs (${runtime}): none is touched, no byte is lost, every end is right`,
})

if (!short) test.serial(badDay, 'docker')
test.serial(badDay, 'process')

async function begin(t: ExecutionContext, runtime: 'process' | 'docker', random: Random): Promise<Day> {
  const engine = runtime === 'docker' ? await startOwnEngine({ liveRestore: true, bridge: true }) : undefined
  const environment = engine ? { DOCKER_HOST: `unix://${engine.socketPath}` } : {}
  // Taken down first in, last out: the cluster needs its engine to go down.
  if (engine) t.teardown(() => engine.stop())
  const words = ['--cpus', '40', '--memory', '100G']
  const cluster = await startCluster(t, { runtime, words, environment })
  const writers: Writer[] = []
  for (let index = 0; index < 10; index += 1)
    writers.push(await startWriter(cluster, { seed: Math.floor(random.next() * 2 ** 31), exitCode: index }))
  const followers = new Map(
    writers.map((writer) => [writer, readLog(t, cluster, ['-f', `${writer.runId}`])] as const),
  )
  for (const writer of writers) await writer.wrote(0)
  const day = { cluster, engine, random, writers, followers, alive: new Map<Writer, string>() }
  for (const writer of writers) day.alive.set(writer, await lifeOf(day, writer))
  return day
}

async function survive(
  t: ExecutionContext,
  day: Day,
  moment: {
    readonly phase: Phase
    readonly part: number
    readonly going: readonly Writer[]
    readonly ending: readonly Writer[]
  },
): Promise<void> {
  const { phase, part, going, ending } = moment
  const all = [...going, ...ending]
  for (const writer of all) writer.open(part)
  // Somewhere in the middle of a part, or before its first byte has come anywhere.
  await delay(day.random.next() * 400)
  await killPrograms(
    day.cluster,
    phase.kill.filter((name) => name !== 'engine'),
  )
  if (phase.kill.includes('engine')) await day.engine?.kill()
  for (const writer of going) writer.open(part + 1)
  for (const writer of ending) writer.open(parts)
  for (const writer of going) await writer.wrote(part + 1)
  for (const writer of ending) await writer.ended()
  await delay(phase.awayMs)
  if (phase.kill.includes('engine')) await day.engine?.restart()
  const up = await day.cluster.up()
  t.is(up.code, 0, `after ${phase.kill.join(', ')}: ${up.stderr}`)
  for (const writer of going)
    t.is(
      await lifeOf(day, writer),
      day.alive.get(writer) ?? '',
      `run ${writer.runId} after ${phase.kill.join(', ')}`,
    )
  // What was printed while they were dead reaches whoever follows, before the next of them dies.
  for (const writer of going)
    await until(() => (day.followers.get(writer)?.bytes() ?? 0) >= writer.note().bytes)
}

/** A run's process on this machine and, in Docker, its container with the time of its start. */
async function lifeOf({ engine }: Pick<Day, 'engine'>, writer: Writer): Promise<string> {
  const identity = writer.identity()
  if (!engine) return identity
  const docker = ['-H', `unix://${engine.socketPath}`]
  const ids = (await execa('docker', [...docker, 'ps', '-aq', '--no-trunc'])).stdout.split('\n')
  const format = '{{.Name}} {{.Id}} {{.State.StartedAt}} {{.State.Pid}} {{.State.Status}} {{.RestartCount}}'
  const { stdout } = await execa('docker', [...docker, 'inspect', '--format', format, ...ids], {
    reject: false,
  })
  const line = stdout.split('\n').find((found) => found.split(' ')[0]?.endsWith(`-${writer.runId}.1`))
  return `${identity} ${line}`
}

async function checkEnd(
  t: ExecutionContext,
  day: Day,
  writers: readonly Writer[],
  state: 'complete' | 'stopped',
): Promise<void> {
  for (const writer of writers) {
    const { runId } = writer
    const followed = await day.followers.get(writer)?.read
    const run = await infoOf(day, runId)
    t.like(run, { state, exit_code: writer.exitCode, attempt: 1 }, JSON.stringify(run))
    const [part, bytes, sha256] = (await noteInStore(t, day, runId)).trim().split(' ')
    if (state === 'complete') t.is(part, `${parts}`)
    const printed = { bytes: Number(bytes), sha256 }
    t.like(
      followed,
      { ...printed, exitCode: 0 },
      `what the follower of run ${runId} read: ${followed?.stderr}`,
    )
    const kept = await readLog(t, day.cluster, [`${runId}`]).read
    t.like(kept, printed, `the kept log of run ${runId}`)
  }
}

async function checkKilled(
  t: ExecutionContext,
  day: Day,
  writer: Writer,
  printed: { readonly bytes: number; readonly sha256: string },
): Promise<void> {
  const followed = await day.followers.get(writer)?.read
  t.like(await infoOf(day, writer.runId), { state: 'killed', attempt: 1 })
  t.like(followed, { bytes: printed.bytes, sha256: printed.sha256, exitCode: 1 })
}

async function infoOf({ cluster }: Day, runId: number): Promise<Readonly<Record<string, unknown>>> {
  return JSON.parse((await cluster.spell(['info', '--json', `${runId}`])).stdout)
}

/** What the run itself said last, as it lies among its outputs. */
async function noteInStore(t: ExecutionContext, { cluster }: Day, runId: number): Promise<string> {
  const listed = await cluster.spell(['ls', `runs/${runId}`])
  t.regex(listed.stdout, /note$/m, listed.stderr)
  return await readFile(`${cluster.dir}/store/runs/${runId}/note`, 'utf8')
}
