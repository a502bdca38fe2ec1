import test, { type ExecutionContext } from 'ava'
import { seededRandom } from '../../../common/random.js'
import { decodeStatus } from '../../../coordinator/core/record-codec.js'
import { defaultLeaderSettings } from '../../../coordinator/leader/types.js'
import type { Leader } from '../../../coordinator/leader.js'
import { attemptKey } from '../../../proto/model/attempt.js'
import { Agent } from './fake-agent.js'
import {
  ann,
  ended,
  everything,
  failed,
  gpus,
  inventory,
  keys,
  resumable,
  root,
  saved,
  settle,
  spec,
  World,
} from './harness.js'

// Histories from a seed: clients submit and repeat, agents work, lose links, restart; leaders lose leadership at some
// commit, done or not. Whatever happens: ids are 1..n, each request made one run, no device is given to two attempts, an
// order never outruns its commit, and in the end every run has ended, is in the archive and is listed once.

const settings = { archive: { ...defaultLeaderSettings.archive, segmentRuns: 5 }, maxRequestIds: 1_000 }

class Story {
  readonly world = new World()
  readonly random: () => number
  readonly agents: readonly Agent[]
  readonly answered = new Map<string, number>()
  leader: Leader
  requests = 0

  constructor(t: ExecutionContext, seed: number) {
    const source = seededRandom(seed)
    this.random = () => source.next()
    this.agents = ['a', 'b'].map((id) => new Agent(id, inventory({ gpus: gpus(3, 'Tesla T4', id) })))
    for (const agent of this.agents) agent.onStart = (assignment) => this.checkStart(t, agent, assignment)
    this.leader = this.world.lead(settings)
  }

  pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.random() * from.length)]
  }

  checkStart(
    t: ExecutionContext,
    agent: Agent,
    { id, gpuUuids }: { id: { runId: number; attempt: number }; gpuUuids: readonly string[] },
  ) {
    const stored = this.world.queue.stored.get(keys.runStatus(id.runId))
    t.true(
      stored !== undefined && decodeStatus(stored, '').attempt >= id.attempt,
      `start of ${attemptKey(id)} before its commit`,
    )
    for (const { assignment, released } of agent.held.values()) {
      if (released || attemptKey(assignment.id) === attemptKey(id)) continue
      const shared = assignment.gpuUuids.filter((uuid) => gpuUuids.includes(uuid))
      t.deepEqual(shared, [], `${attemptKey(assignment.id)} and ${attemptKey(id)} share a device`)
    }
  }

  async submit(t: ExecutionContext, requestId: string): Promise<void> {
    const machine = this.pick([
      { kind: 'type', name: 'CPU' },
      { kind: 'type', name: 'T4' },
      { kind: 'type', name: 'T4x2' },
    ] as const)
    const changes = { ...(Number(requestId) % 3 === 0 ? resumable : {}), ...(machine ? { machine } : {}) }
    await this.leader.submit({ user: ann, requestId, requestHash: 'h', spec: spec(changes) }).then(
      ({ runId }) => {
        const before = this.answered.get(requestId)
        t.true(
          before === undefined || before === runId,
          `request ${requestId} made runs ${before} and ${runId}`,
        )
        this.answered.set(requestId, runId)
      },
      () => {},
    )
  }

  /** One attempt of the agent's goes one step on. */
  work(agent: Agent): void {
    const held = this.pick([...agent.held.values()].filter((one) => !one.ended))
    if (!held) return
    const { id } = held.assignment
    const steps = [
      { kind: 'reached', state: 'building', dockerImageDigest: undefined },
      { kind: 'reached', state: 'running', dockerImageDigest: undefined },
      ended(),
      saved(),
      { kind: 'finished' },
    ] as const
    const event = this.random() < 0.08 ? failed() : steps[Math.min(held.lastReport, steps.length - 1)]
    const released = event?.kind === 'failed' || held.lastReport >= 2
    try {
      if (event) agent.tell(id, event, { released })
    } catch {
      agent.disconnect()
    }
  }

  async step(t: ExecutionContext): Promise<void> {
    const chance = this.random()
    const agent = this.pick(this.agents)
    if (!agent) return
    if (chance < 0.3) {
      this.requests += 1
      void this.submit(t, String(this.requests))
    } else if (chance < 0.35) void this.submit(t, String(1 + Math.floor(this.random() * this.requests)))
    else if (chance < 0.65) this.work(agent)
    else if (chance < 0.7) agent.disconnect()
    else if (chance < 0.75) await this.connect(agent)
    else if (chance < 0.8) await agent.forget().catch(() => agent.disconnect())
    else if (chance < 0.84) {
      const id = 1 + Math.floor(this.random() * this.leader.newestRunId())
      void this.leader.steer(this.random() < 0.5 ? 'stop' : 'kill', root, [id]).catch(() => {})
    } else if (chance < 0.86) await this.world.clock.advance(this.random() < 0.2 ? 400_000 : 5_000)
    else if (chance < 0.88) await this.loseMachine(agent)
    else if (chance < 0.91) {
      this.world.queue.failAfter = this.world.queue.count + Math.floor(this.random() * 4)
      this.world.queue.lastIsCommitted = this.random() < 0.5
    } else await settle()
    if (this.world.queue.lost) await this.takeOver()
  }

  async loseMachine(agent: Agent): Promise<void> {
    agent.disconnect()
    agent.held.clear()
    agent.unanswered.length = 0
    agent.bootId += '+'
    await this.connect(agent)
  }

  async connect(agent: Agent): Promise<void> {
    await agent.connect(this.leader).catch(() => agent.disconnect())
    for (const { id, wanted } of agent.verdicts) if (wanted === 'forget') agent.held.delete(attemptKey(id))
  }

  async takeOver(): Promise<void> {
    this.leader.close()
    this.leader = this.world.lead(settings)
    for (const agent of this.agents) agent.disconnect()
  }

  /** Lets everything come to its end under one leader. */
  async drain(t: ExecutionContext): Promise<void> {
    await this.takeOver()
    for (let request = 1; request <= this.requests; request += 1) await this.submit(t, String(request))
    for (let round = 0; round < 400 && (await this.isActive()); round += 1) {
      for (const agent of this.agents) {
        if (!agent.session) await this.connect(agent)
        for (const { id, wanted } of [...agent.verdicts, ...agent.orders]) {
          const held = agent.held.get(attemptKey(id))
          if (wanted === 'kill' && held && !held.ended)
            agent.tell(id, failed({ killed: true }), { released: true })
        }
        for (const _ of agent.held) this.work(agent)
        await settle()
        await agent.forget()
      }
      if (round % 20 === 19) for (const agent of this.agents) await this.connect(agent)
    }
    for (const agent of this.agents) {
      await this.connect(agent)
      await this.connect(agent)
    }
    await this.world.clock.advance(61_000)
    await settle()
  }

  async isActive(): Promise<boolean> {
    return (await this.leader.list({ ...everything, activeOnly: true })).runs.length > 0
  }
}

async function listed(leader: Leader): Promise<readonly number[]> {
  const ids: number[] = []
  for (let pageToken: string | undefined; pageToken !== ''; ) {
    const page = await leader.list({ ...everything, pageToken: pageToken ?? '' })
    ids.push(...page.runs.map(({ id }) => id))
    pageToken = page.nextPageToken
  }
  return ids
}

const stories = 120

test(`${stories} histories end as they must`, async (t) => {
  for (let seed = 1; seed <= stories; seed += 1) {
    const story = new Story(t, seed)
    for (let step = 0; step < 150; step += 1) await story.step(t)
    await story.drain(t)
    const { leader, world, requests, answered } = story
    const ids = Array.from({ length: requests }, (_, index) => requests - index)
    t.deepEqual(
      [...answered.values()].sort((a, b) => b - a),
      ids,
      `seed ${seed}: one run a request, ids 1..n`,
    )
    t.deepEqual(await listed(leader), ids, `seed ${seed}: each run in the list once`)
    const left = [...world.queue.stored.keys()].filter((key) => key.startsWith(keys.runs))
    t.deepEqual(left, [], `seed ${seed}: every run has left etcd`)
    const holding = (await leader.nodes()).flatMap(({ gpus: devices }) =>
      devices.flatMap((one) => one.heldByRunId ?? []),
    )
    t.deepEqual(holding, [], `seed ${seed}: every device is free`)
    leader.close()
  }
})
