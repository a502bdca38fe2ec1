import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Channel } from '../../../proto/channel.js'
import type { FollowEvent__Output } from '../../../proto/gen/spell/v1/FollowEvent.js'
import type { ListRunsResponse__Output } from '../../../proto/gen/spell/v1/ListRunsResponse.js'
import type { SubmitResponse__Output } from '../../../proto/gen/spell/v1/SubmitResponse.js'
import { method } from '../../../proto/wire.js'
import { type BenchCluster, channelFor, cpuSeconds, startBenchCluster } from '../bench-cluster.js'
import type { PartOptions } from '../part.js'
import { round, summary } from '../statistics.js'
import { Agents } from './agents.js'

// What a pool of 2,000 machines asks of the leader: each simulated agent has a TLS connection, a link and heartbeats of
// its own. One real node beside them prints as fast as this machine carries it to a follower. Measured at rest, while logs
// flow, and over failovers: the leader is killed, and a run is submitted at that moment. The agents share the two cores of
// this machine with what is measured.

const submit = method<object, SubmitResponse__Output>('Runs', 'Submit')
const list = method<object, ListRunsResponse__Output>('Runs', 'List')
const follow = method<object, FollowEvent__Output>('Runs', 'Follow')

type Say = (line: string) => void

export async function measureScale({ short, say }: PartOptions): Promise<Readonly<Record<string, unknown>>> {
  const size = short
    ? { agents: 200, seconds: 5, failovers: 2, runs: 50 }
    : { agents: 2_000, seconds: 60, failovers: 10, runs: 1_000 }
  const folder = await mkdtemp(join(tmpdir(), 'spell-bench-gpu-'))
  const cluster = await startBenchCluster([
    ...['--runtime', 'process', '--coordinators', '2', '--cpus', '8', '--memory', '64G'],
    ...['--nvidia-smi', await oneT4(folder)],
  ])
  const channel = channelFor(cluster.access)
  const agents = Agents.start(cluster.dir, size.agents, folder)
  try {
    const linkedSeconds = await untilLinked(agents, size.agents)
    say(`${size.agents} agents linked after ${linkedSeconds} s`)
    await runSome(channel, size.runs)
    const atRest = await measureLoad({ cluster, channel, agents }, size.seconds, [])
    say(`at rest: ${JSON.stringify(atRest)}`)
    const log = new FlowingLog(channel)
    const withLogs = await measureLoad({ cluster, channel, agents }, size.seconds, [log])
    await log.end()
    say(`while logs flow: ${JSON.stringify(withLogs)}`)
    const failovers = await measureFailovers({ cluster, channel, agents }, size, say)
    say(`failovers: ${JSON.stringify(failovers)}`)
    return { agents: size.agents, linkedSeconds, atRest, withLogs, failovers }
  } finally {
    agents.end()
    channel.close()
    await cluster.down()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Measured {
  readonly cluster: BenchCluster
  readonly channel: Channel
  readonly agents: Agents
}

/** The leader's share of a core, its memory, heartbeats, and what listing the newest 50 runs takes (a resident client). */
async function measureLoad(
  { cluster, channel, agents }: Measured,
  seconds: number,
  logs: readonly FlowingLog[],
) {
  const leader = await leaderOf(cluster)
  await agents.news()
  for (const log of logs) await log.begin()
  const before = { cpu: cpuSeconds(leader), at: performance.now() }
  const listMs: number[] = []
  while (performance.now() - before.at < 1000 * seconds) {
    const begunAt = performance.now()
    await channel.call(list, { pageSize: 50 }, { deadlineMs: 60_000 })
    listMs.push(performance.now() - begunAt)
    await delay(20)
  }
  const spent = (performance.now() - before.at) / 1000
  const news = await agents.news()
  return {
    leaderCores: round((cpuSeconds(leader) - before.cpu) / spent),
    leaderMegabytes: residentMegabytes(leader),
    heartbeatMs: summary(news.heartbeatsMs),
    heartbeatsPerSecond: round(news.heartbeatsMs.length / spent),
    psMs: summary(listMs),
    linked: news.linked,
    ...(logs.length > 0 ? { megabytesPerSecond: round(logs[0]?.megabytesPerSecond() ?? 0) } : {}),
  }
}

async function measureFailovers(
  { cluster, channel, agents }: Measured,
  size: { readonly agents: number; readonly failovers: number },
  say: Say,
) {
  const placedSeconds: number[] = []
  const answeredSeconds: number[] = []
  const linkedSeconds: number[] = []
  for (let round_ = 1; round_ <= size.failovers; round_ += 1) {
    await agents.news()
    const leader = await leaderOf(cluster)
    process.kill(leader, 'SIGKILL')
    const killedAt = performance.timeOrigin + performance.now()
    const runId = await submitted(channel, 'V100')
    const answered = (performance.timeOrigin + performance.now() - killedAt) / 1000
    const placedAt = await untilOrdered(agents, runId)
    await untilLinked(agents, size.agents)
    linkedSeconds.push((performance.timeOrigin + performance.now() - killedAt) / 1000)
    answeredSeconds.push(answered)
    placedSeconds.push((placedAt - killedAt) / 1000)
    say(`failover ${round_}: a submission answered after ${round(answered)} s`)
    // Both coordinators are there again before the next.
    await leaderOf(cluster)
  }
  return {
    count: size.failovers,
    submissionAnsweredSeconds: summary(answeredSeconds),
    firstPlacementSeconds: summary(placedSeconds),
    allLinkedSeconds: summary(linkedSeconds),
  }
}

/** Tries until a leader answers; the request id makes it one run. */
async function submitted(channel: Channel, typeName: string, command = 'true'): Promise<number> {
  const request = { requestId: randomUUID(), spec: { command, machine: { typeName } } }
  for (;;) {
    try {
      return (await channel.call(submit, request, { deadlineMs: 1_000 })).runId
    } catch {
      await delay(50)
    }
  }
}

async function runSome(channel: Channel, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) await submitted(channel, 'V100')
}

async function untilLinked(agents: Agents, count: number): Promise<number> {
  const begunAt = performance.now()
  while ((await agents.news()).linked < count) await delay(100)
  return round((performance.now() - begunAt) / 1000)
}

/** When an agent was told to start it, as Unix time in milliseconds. */
async function untilOrdered(agents: Agents, runId: number): Promise<number> {
  for (;;) {
    const { ordered } = await agents.news()
    const found = ordered.find((one) => one.runId === runId)
    if (found) return found.atMs
    await delay(50)
  }
}

/** The leader's pid, once every process of the cluster runs and one leads. */
async function leaderOf(cluster: BenchCluster): Promise<number> {
  for (;;) {
    const { state, processes } = await cluster.status()
    const pid = processes.find(({ leader }) => leader)?.pid
    if (state === 'up' && pid) return pid
    await delay(200)
  }
}

/** Runs on the real node that print as fast as they can, one after another, with a follower. */
class FlowingLog {
  readonly #channel: Channel
  readonly #ended = new AbortController()
  #bytes = 0
  #begunAt = 0
  #running: Promise<void> | undefined

  constructor(channel: Channel) {
    this.#channel = channel
  }

  /** Resolves when the first bytes have come. */
  async begin(): Promise<void> {
    this.#running = this.#run()
    while (this.#bytes === 0) await delay(10)
    this.#bytes = 0
    this.#begunAt = performance.now()
  }

  megabytesPerSecond(): number {
    return this.#bytes / 1e3 / (performance.now() - this.#begunAt)
  }

  async end(): Promise<void> {
    this.#ended.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      const runId = await submitted(this.#channel, 'T4', printing)
      try {
        const events = this.#channel.serverStream(follow, { runId, follow: true, logs: true }, { signal })
        for await (const { log } of events) this.#bytes += log?.data.length ?? 0
      } catch (error) {
        if (!signal.aborted) throw error
        await this.#channel.call(method('Runs', 'Kill'), { runIds: [runId] }, { deadlineMs: 60_000 })
      }
    }
  }
}

/** Less than the limit of a log. */
const printing = `yes 'a line of a log as programs print them, of eighty characters, its newline incl.' | head -c 1000000000`

/** Says what `nvidia-smi -L` and its queries say of one T4, so that the real node has a type of its own. */
async function oneT4(folder: string): Promise<string> {
  const file = join(folder, 'nvidia-smi')
  const uuid = `GPU-${randomUUID()}`
  const lines = [
    '#!/bin/sh',
    `case "$*" in`,
    `-L) echo 'GPU 0: Tesla T4 (UUID: ${uuid})' ;;`,
    `*csv*) echo 'index, name, uuid, memory.total [MiB], mig.mode.current'; echo '0, Tesla T4, ${uuid}, 15360 MiB, [N/A]' ;;`,
    '*) exit 2 ;;',
    'esac',
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  await chmod(file, 0o755)
  return file
}

function residentMegabytes(pid: number): number {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000)
}
