import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import Docker from 'dockerode'
import type { Channel } from '../../../proto/channel.js'
import type { ClusterInfo__Output } from '../../../proto/gen/spell/v1/ClusterInfo.js'
import type { FollowEvent__Output } from '../../../proto/gen/spell/v1/FollowEvent.js'
import type { StateTime__Output } from '../../../proto/gen/spell/v1/StateTime.js'
import type { SubmitResponse__Output } from '../../../proto/gen/spell/v1/SubmitResponse.js'
import { method } from '../../../proto/wire.js'
import { type BenchCluster, channelFor, spellProgram, startBenchCluster } from '../bench-cluster.js'
import type { PartOptions } from '../part.js'
import { median, round, summary } from '../statistics.js'

// A warm `echo hi` in Docker: everything that spell does around a container beside the container alone, on the same
// engine, with the same image and network mode, in turn. Two pairs:
// - a resident client: Submit and Follow to the final state, with the line; beside create, attach, start, wait and remove
//   by dockerode. Spell answers before its container is removed and the peer only after, so each round waits, outside
//   its time, until the container of the one before is gone: nobody's removal is measured as somebody else's time.
// - the whole command, `spell run -f`; beside `docker run --rm`.

const targets = { ratio: 1.3, commandMoreMs: 300 }
const socketPath = '/var/run/docker.sock'
const submit = method<object, SubmitResponse__Output>('Runs', 'Submit')
const follow = method<object, FollowEvent__Output>('Runs', 'Follow')
const getCluster = method<object, ClusterInfo__Output>('Cluster', 'Get')

interface Round {
  readonly ms: number
  /** Milliseconds by what they went to, as measured on the way. */
  readonly shares: Readonly<Record<string, number>>
}

export async function measureWarm({ short, say }: PartOptions): Promise<Readonly<Record<string, unknown>>> {
  const rounds = short ? 5 : 30
  const cluster = await startBenchCluster(['--runtime', 'docker', '--cpus', '8', '--memory', '16G'])
  const channel = channelFor(cluster.access)
  try {
    const image = (await channel.call(getCluster, {})).settings['default-image'] ?? ''
    const pairs = { ...residentPair(channel, image), ...commandPair(cluster, image) }
    const rows = new Map<string, Round[]>(Object.keys(pairs).map((name) => [name, []]))
    for (let turn = -2; turn < rounds; turn += 1) {
      for (const [name, run] of Object.entries(pairs)) {
        const measured = await run()
        await untilRemoved(cluster.dir)
        if (turn >= 0) rows.get(name)?.push(measured)
      }
    }
    return report(rows, say)
  } finally {
    channel.close()
    await cluster.down()
  }
}

function residentPair(channel: Channel, image: string) {
  const docker = new Docker({ socketPath })
  return { spell: () => viaSpell(channel), dockerode: () => viaDockerode(docker, image) }
}

function commandPair(cluster: BenchCluster, image: string) {
  return {
    spellCommand: async () =>
      viaCommand(process.execPath, [spellProgram, 'run', '-f', 'echo hi'], cluster.env),
    dockerCommand: async () => viaCommand('docker', ['run', '--rm', image, 'echo', 'hi'], cluster.env),
  }
}

async function viaSpell(channel: Channel): Promise<Round> {
  const trace = new Trace()
  const spec = { command: 'echo hi', machine: { typeName: 'CPU' } }
  const { runId } = await channel.call(submit, { requestId: randomUUID(), spec })
  trace.mark('client: Submit')
  let log = ''
  let states: readonly StateTime__Output[] = []
  let final = ''
  for await (const event of channel.serverStream(follow, { runId, follow: true, logs: true })) {
    if (event.log) {
      if (log === '') trace.mark('client: until the line')
      log += event.log.data.toString()
    }
    if (event.run) {
      states = event.run.states
      final = event.run.state
    }
  }
  trace.mark('client: until the final state')
  if (final !== 'COMPLETE' || log !== 'hi\n') throw new Error(`Run ${runId} ended as ${final} with “${log}”.`)
  const server = Object.fromEntries(
    states.map(({ state, durationMs }) => [`state: ${state.toLowerCase()}`, durationMs]),
  )
  return { ms: trace.totalMs, shares: { ...trace.shares, ...server } }
}

async function viaDockerode(docker: Docker, image: string): Promise<Round> {
  const trace = new Trace()
  const container = await docker.createContainer({
    Image: image,
    Cmd: ['bash', '-c', 'echo hi'],
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: { NetworkMode: 'bridge' },
  })
  trace.mark('create')
  const stream = await container.attach({ stream: true, stdout: true, stderr: true })
  const output = new PassThrough()
  let log = ''
  output.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  docker.modem.demuxStream(stream, output, output)
  const closed = once(stream, 'end')
  trace.mark('attach')
  await container.start()
  trace.mark('start')
  await container.wait()
  await closed
  trace.mark('wait')
  await container.remove()
  trace.mark('remove')
  if (log !== 'hi\n') throw new Error(`dockerode got “${log}”.`)
  return { ms: trace.totalMs, shares: trace.shares }
}

function viaCommand(program: string, words: readonly string[], env: NodeJS.ProcessEnv): Round {
  const startedAt = performance.now()
  const { status, stdout, stderr } = spawnSync(program, words, {
    ...{ env, cwd: '/', encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  })
  const ms = performance.now() - startedAt
  if (status !== 0 || !/^hi$/m.test(stdout))
    throw new Error(`${words.join(' ')}: ${status} ${stdout} ${stderr}`)
  return { ms, shares: {} }
}

/** No container is left whose folders are in `folder`. */
async function untilRemoved(folder: string): Promise<void> {
  const docker = new Docker({ socketPath })
  const ours = async () =>
    (await docker.listContainers({ all: true, filters: { label: ['spell.attempt'] } })).filter(({ Mounts }) =>
      Mounts.some(({ Source }) => Source.startsWith(folder)),
    )
  while ((await ours()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** What one thing after another took. */
class Trace {
  readonly shares: Record<string, number> = {}
  readonly #startedAt = performance.now()
  #last = this.#startedAt

  mark(name: string): void {
    const now = performance.now()
    this.shares[name] = now - this.#last
    this.#last = now
  }

  get totalMs(): number {
    return this.#last - this.#startedAt
  }
}

function report(
  rows: ReadonlyMap<string, readonly Round[]>,
  say: (line: string) => void,
): Readonly<Record<string, unknown>> {
  const figures: Record<string, object> = {}
  for (const [name, rounds] of rows) {
    const total = summary(rounds.map(({ ms }) => ms))
    const shares = Object.fromEntries(
      Object.keys(rounds[0]?.shares ?? {}).map((share) => [
        share,
        round(median(rounds.map((one) => one.shares[share] ?? 0))),
      ]),
    )
    figures[name] = { ...total, shares }
    say(`${name.padEnd(14)} p50 ${total.p50} ms, p99 ${total.p99} ms`)
    for (const [share, ms] of Object.entries(shares)) say(`    ${share.padEnd(34)} ${ms} ms`)
  }
  const p50 = (name: string) => median((rows.get(name) ?? []).map(({ ms }) => ms))
  const ratio = round(p50('spell') / p50('dockerode'))
  const commandMoreMs = round(p50('spellCommand') - p50('dockerCommand'))
  say(`resident: ${ratio} times dockerode at p50 (target: at most ${targets.ratio})`)
  say(`command: ${commandMoreMs} ms more than docker run --rm (target: at most ${targets.commandMoreMs})`)
  return { ms: figures, ratio, commandMoreMs, targets }
}
