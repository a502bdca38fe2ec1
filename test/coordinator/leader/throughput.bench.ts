import { setImmediate as nextTurn } from 'node:timers/promises'
import { systemClock } from '../../../common/clock.js'
import type { AgentSession } from '../../../coordinator/agents/agent-session.js'
import type { Report, ReportEvent } from '../../../proto/model/attempt.js'
import type { Order, ToAgent } from '../../../proto/model/link.js'
import { ann, ended, inventory, saved, spec, World } from './harness.js'

// What a run costs the leader: from Submit over assignment and five reports to the archive, with etcd and agents in memory.
// node build/NAME/test/coordinator/leader/throughput.bench.js [RUNS] [RUNS QUEUED BEFOREHAND] [SUBMISSIONS AT A TIME]
// Prints microseconds of CPU a run. With --cpu-prof it is the profile to read.

const [runs = 50_000, queuedBefore = 0, atATime = 20] = process.argv.slice(2).map(Number)
const steps: readonly ReportEvent[] = [
  { kind: 'reached', state: 'building', dockerImageDigest: undefined },
  { kind: 'reached', state: 'running', dockerImageDigest: 'sha256:0000' },
  ended(),
  saved(),
  { kind: 'finished' },
]

/** Reports each step of all its runs in a message of its own, each turn of the loop one. */
class QuickAgent {
  session: AgentSession | undefined
  readonly #at: Order[][] = steps.map(() => [])
  #forgotten: Order[] = []

  take(message: ToAgent): void {
    if (message.kind !== 'orders') return
    this.#at[0]?.push(...message.orders.filter(({ wanted }) => wanted === 'start'))
  }

  turn(): void {
    this.session?.heartbeat(1)
    if (this.#forgotten.length > 0) this.session?.forgotten(this.#forgotten.map(({ id }) => id))
    this.#forgotten = this.#step(steps.length - 1)
    for (let step = steps.length - 2; step >= 0; step -= 1) this.#at[step + 1] = this.#step(step)
    this.#at[0] = []
  }

  #step(step: number): Order[] {
    const due = this.#at[step] ?? []
    const event = steps[step]
    if (due.length === 0 || !event) return due
    const reports = due.map(
      ({ id }): Report => ({ id, number: step + 1, durationMs: 1, released: step >= 2, event }),
    )
    this.session?.reports(reports)
    return due
  }
}

const world = new World()
const leader = world.lead({}, { clock: systemClock })
world.queue.keepsHistory = false
if (queuedBefore > 0) {
  for (let run = 0; run < queuedBefore; run += 1) {
    void leader.submit({
      ...{ user: ann, requestId: `before-${run}`, requestHash: 'h' },
      spec: spec({ machine: { kind: 'type', name: 'V100' } }),
    })
    if (run % 1_000 === 0) await nextTurn()
  }
}
const agents = Array.from({ length: 4 }, (_, index) => {
  const agent = new QuickAgent()
  agent.session = leader.attach(`n${index}`, (message) => agent.take(message))
  agent.session.hello({
    ...{
      schemaVersion: 1,
      version: '0.1.0',
      nodeId: `n${index}`,
      name: `n${index}`,
      machineId: '',
      bootId: '',
    },
    ...{
      inventory: inventory({ cpus: 64, memoryBytes: 1e12 }),
      attempts: [],
      highestRunId: 0,
      generation: '',
    },
  })
  return agent
})
await nextTurn()
const cpu = process.cpuUsage()
const from = performance.now()
let submitted = 0
const finished = () => leader.facts().archivedRuns
while (finished() < runs - (runs % 1_000)) {
  for (let one = 0; one < atATime && submitted < runs; one += 1) {
    submitted += 1
    void leader.submit({ user: ann, requestId: `r-${submitted}`, requestHash: 'h', spec: spec() })
  }
  for (const agent of agents) agent.turn()
  await nextTurn()
}
const { user, system } = process.cpuUsage(cpu)
leader.close()
console.log(
  JSON.stringify({
    runs,
    queuedBefore,
    cpuMicrosecondsPerRun: Math.round((user + system) / runs),
    runsPerSecond: Math.round((runs / (performance.now() - from)) * 1000),
    units: world.queue.count,
    heapMB: Math.round(process.memoryUsage().heapUsed / 1e6),
  }),
)
