import { randomUUID } from 'node:crypto'
import type { Channel } from '../../../proto/channel.js'
import type { FollowEvent__Output } from '../../../proto/gen/spell/v1/FollowEvent.js'
import type { SubmitResponse__Output } from '../../../proto/gen/spell/v1/SubmitResponse.js'
import { method } from '../../../proto/wire.js'
import { channelFor, startBenchCluster } from '../bench-cluster.js'
import type { PartOptions } from '../part.js'
import { round, summary } from '../statistics.js'

// One run's log, from the write in the run to a follower who has it: how many bytes a second, and how long a line takes
// that is printed every 10 ms. Both ends tell the time by this machine's clock: the run prints it. Everything between is
// as always: the node's file, the stream to the leader, its file with fsync, the follower's stream, TLS, the limit on.

const submit = method<object, SubmitResponse__Output>('Runs', 'Submit')
const follow = method<object, FollowEvent__Output>('Runs', 'Follow')

const lineEveryMs = 10

export async function measureLogs({ short, say }: PartOptions): Promise<Readonly<Record<string, unknown>>> {
  const cluster = await startBenchCluster(['--runtime', 'process', '--cpus', '8', '--memory', '64G'])
  const channel = channelFor(cluster.access)
  try {
    const throughput = await measureThroughput(channel, short ? 64e6 : 1e9)
    say(`${throughput.bytes} bytes: ${throughput.megabytesPerSecond} MB/s from write to follower`)
    const latencyMs = await measureLatency(channel, short ? 200 : 2_000)
    say(
      `a line every ${lineEveryMs} ms: p50 ${latencyMs.p50} ms, p99 ${latencyMs.p99} ms from write to follower`,
    )
    return { throughput, latencyMs }
  } finally {
    channel.close()
    await cluster.down()
  }
}

/** Log bytes of a new run as they come. */
async function* logOf(channel: Channel, command: string): AsyncGenerator<Buffer> {
  const spec = { command, machine: { typeName: 'CPU' } }
  const { runId } = await channel.call(submit, { requestId: randomUUID(), spec }, { deadlineMs: 60_000 })
  let state = ''
  for await (const event of channel.serverStream(follow, { runId, follow: true, logs: true })) {
    if (event.log) yield event.log.data
    if (event.run) state = event.run.state
  }
  if (state !== 'COMPLETE') throw new Error(`Run ${runId} ended as ${state}.`)
}

async function measureThroughput(channel: Channel, wanted: number) {
  let bytes = 0
  let head = ''
  let lastAtMs = 0
  const lines = 'a line of a log as programs print them, of eighty characters, its newline incl.'
  for await (const data of logOf(channel, `date +%s.%N; yes '${lines}' | head -c ${wanted}`)) {
    if (!head.includes('\n')) head += data.toString('latin1')
    bytes += data.length
    lastAtMs = performance.timeOrigin + performance.now()
  }
  const firstAtMs = 1000 * Number(head.slice(0, head.indexOf('\n')))
  if (bytes < wanted) throw new Error(`Only ${bytes} bytes of ${wanted} arrived.`)
  const seconds = (lastAtMs - firstAtMs) / 1000
  return { bytes, seconds: round(seconds), megabytesPerSecond: round(bytes / 1e6 / seconds) }
}

/** Each line is the moment at which it was written. */
const clockProgram = (lines: number): string => `
let left = ${lines}
const timer = setInterval(() => {
  process.stdout.write((performance.timeOrigin + performance.now()).toFixed(3) + "\\n")
  left -= 1
  if (left === 0) clearInterval(timer)
}, ${lineEveryMs})
`

async function measureLatency(channel: Channel, lines: number) {
  const delaysMs: number[] = []
  let begun = ''
  for await (const data of logOf(channel, `${process.execPath} -e '${clockProgram(lines)}'`)) {
    const nowMs = performance.timeOrigin + performance.now()
    const whole = (begun + data.toString()).split('\n')
    begun = whole.pop() ?? ''
    for (const line of whole) delaysMs.push(nowMs - Number(line))
  }
  if (delaysMs.length !== lines) throw new Error(`${delaysMs.length} of ${lines} lines arrived.`)
  return summary(delaysMs)
}
