import { systemClock } from '../../../common/clock.js'
import type { FailoverCluster } from './cluster.js'
import type { Load } from './load.js'

// What is done to the coordinators and to etcd while runs print and people follow them. Each says in a line what came of
// it; what must hold of the runs is checked at the end (load.ts).

export interface Scenario {
  readonly cluster: FailoverCluster
  readonly load: Load
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** Milliseconds from each kill of the leader until another leads, and until a submission was answered. */
export async function killLeaders(scenario: Scenario, kills: number): Promise<void> {
  const { cluster, load, signal, say } = scenario
  const led: number[] = []
  const answered: number[] = []
  for (let kill = 0; kill < kills; kill += 1) {
    const leader = await mortalLeader(scenario)
    const killedAt = systemClock.monotonic()
    await cluster.kill(leader)
    const answer = load.submit('true', cluster.open(kill)).then(() => {
      answered.push(systemClock.monotonic() - killedAt)
    })
    while (((await cluster.leader()) ?? leader) === leader) await systemClock.sleep(20, signal)
    led.push(systemClock.monotonic() - killedAt)
    await answer
    await cluster.start(leader)
    await load.look(`kill ${kill + 1}`)
  }
  say(
    `${kills} kills of the leader: another leads after ${figures(led)}; a submission is answered after ${figures(answered)}`,
  )
}

/** It loses its lease, and another leads; when it is let back it follows. */
export async function cutLeaderFromEtcd(scenario: Scenario): Promise<void> {
  const { cluster, signal, say } = scenario
  const leader = await someLeader(cluster, signal)
  cluster.part(leader, 'etcd')
  const tookMs = await untilAnother(scenario, leader)
  cluster.mend(leader)
  await answers(scenario)
  await scenario.load.look('a leader without etcd')
  say(`${leader} cut off from etcd: another leads and answers after ${seconds(tookMs)}`)
}

/** It leads on, and has what its nodes do when they are there again. */
export async function cutLeaderFromAgents(scenario: Scenario, ms: number): Promise<void> {
  const { cluster, signal, say } = scenario
  const leader = await someLeader(cluster, signal)
  cluster.part(leader, 'agents')
  await answers(scenario)
  await systemClock.sleep(ms, signal)
  const still = await cluster.leader()
  cluster.mend(leader)
  await answers(scenario)
  await scenario.load.look('a leader without agents')
  say(`${leader} cut off from every agent for ${seconds(ms)}: ${still} leads`)
}

export async function pauseLeader(scenario: Scenario, ms: number): Promise<void> {
  const { cluster, signal, say } = scenario
  const leader = await mortalLeader(scenario)
  const pausedAt = systemClock.monotonic()
  await cluster.pause(leader)
  const tookMs = await untilAnother(scenario, leader)
  await systemClock.sleep(Math.max(0, ms - (systemClock.monotonic() - pausedAt)), signal)
  cluster.resume(leader)
  await answers(scenario)
  await scenario.load.look('a leader that slept')
  say(`${leader} stopped for ${seconds(ms)} and woken: another leads and answers after ${seconds(tookMs)}`)
}

export async function loseEtcdMembers(scenario: Scenario, ms: number): Promise<void> {
  const { cluster, signal, say } = scenario
  await cluster.killEtcd(0)
  const oneMs = await answers(scenario)
  await scenario.load.look('the death of a member of etcd')
  await cluster.killEtcd(1)
  await systemClock.sleep(ms, signal)
  await Promise.all([cluster.startEtcd(0), cluster.startEtcd(1)])
  const twoMs = await answers(scenario)
  await scenario.load.look('the death of two members of etcd')
  say(
    `one member of etcd dead: a submission is answered after ${seconds(oneMs)}; two dead for ${seconds(ms)} and back: after ${seconds(twoMs)}`,
  )
}

async function untilAnother(scenario: Scenario, than: string): Promise<number> {
  const startedAt = systemClock.monotonic()
  while (((await scenario.cluster.leader()) ?? than) === than) await systemClock.sleep(20, scenario.signal)
  await answers(scenario)
  return systemClock.monotonic() - startedAt
}

/** Milliseconds until a new submission was answered. */
async function answers({ load }: Scenario): Promise<number> {
  const askedAt = systemClock.monotonic()
  await load.submit('true')
  return systemClock.monotonic() - askedAt
}

/** Where the one that leads may not die, it is cut off from etcd until the other leads. */
async function mortalLeader({ cluster, signal }: Scenario): Promise<string> {
  for (;;) {
    const leader = await someLeader(cluster, signal)
    if (cluster.mortals.includes(leader)) return leader
    cluster.part(leader, 'etcd')
    while (((await cluster.leader()) ?? leader) === leader) await systemClock.sleep(50, signal)
    cluster.mend(leader)
  }
}

async function someLeader(cluster: FailoverCluster, signal: AbortSignal): Promise<string> {
  for (;;) {
    const leader = await cluster.leader()
    if (leader !== undefined) return leader
    await systemClock.sleep(50, signal)
  }
}

const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`

function figures(all: readonly number[]): string {
  const sorted = [...all].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0
  return `p50 ${seconds(at(0.5))}, p99 ${seconds(at(0.99))}, at most ${seconds(at(1))}`
}
