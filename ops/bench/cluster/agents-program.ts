import { setMaxListeners } from 'node:events'
import { issueCertificate, type KeyedCertificate } from '../../../common/certificates.js'
import { SimulatedAgent } from './simulated-agent.js'

// Many simulated agents in a process of their own, started by agents.ts, which speaks to it by Node's channel between
// parent and child: the first message is the task, each later one asks for what has happened since the one before.

export interface AgentsTask {
  readonly names: readonly string[]
  readonly addresses: readonly string[]
  readonly authority: KeyedCertificate
  /** A temporary one. */
  readonly folder: string
}

export interface AgentsAnswer {
  /** That have a link now. */
  readonly linked: number
  readonly heartbeatsMs: readonly number[]
  /** Runs that an agent was told to start, with when (Unix time in ms). */
  readonly ordered: readonly { readonly runId: number; readonly atMs: number }[]
  /** CPU that this process has used, in seconds. */
  readonly cpuSeconds: number
}

/** Begun so many at a time, as machines would not all come at one moment. */
const together = 50

const linked = new Set<string>()
let heartbeatsMs: number[] = []
let ordered: { runId: number; atMs: number }[] = []

process.once('message', (task: AgentsTask) => {
  process.on('message', answer)
  process.on('disconnect', () => process.exit(0))
  begin(task).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
    process.exit(1)
  })
})

async function begin({ names, ...task }: AgentsTask): Promise<void> {
  const never = new AbortController().signal
  setMaxListeners(0, never)
  for (let at = 0; at < names.length; at += together) {
    const some = names.slice(at, at + together)
    const agents = await Promise.all(some.map((name) => makeAgent(name, task)))
    for (const agent of agents) void agent.run(never)
    while (some.some((name) => !linked.has(name))) await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function makeAgent(name: string, { addresses, authority, folder }: Omit<AgentsTask, 'names'>) {
  const { certificatePem, keyPem } = await issueCertificate(authority, {
    commonName: `node:${name}`,
    dnsNames: [],
    ipAddresses: [],
  })
  const tls = { ca: authority.certificatePem, certificate: certificatePem, key: keyPem }
  return new SimulatedAgent(
    { name, addresses, tls, folder },
    {
      linked: (who) => linked.add(who),
      unlinked: (who) => linked.delete(who),
      heartbeat: (delayMs) => heartbeatsMs.push(delayMs),
      ordered: (runId) => ordered.push({ runId, atMs: performance.timeOrigin + performance.now() }),
    },
  )
}

function answer(): void {
  const { user, system } = process.cpuUsage()
  process.send?.({
    linked: linked.size,
    heartbeatsMs,
    ordered,
    cpuSeconds: (user + system) / 1e6,
  } satisfies AgentsAnswer)
  heartbeatsMs = []
  ordered = []
}
