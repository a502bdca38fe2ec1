import { randomUUID } from 'node:crypto'
import { text } from 'node:stream/consumers'
import type { SubmitResponse__Output } from '../../../proto/gen/spell/v1/SubmitResponse.js'
import { method } from '../../../proto/wire.js'
import type { Access } from '../bench-cluster.js'
import { UnaryCaller } from '../unary-caller.js'

// Several clients of the rate benchmark, each with a connection of its own and one Submit under way: read a RateTask on
// stdin, submit, answer with how long each Submit took.

export interface RateTask {
  readonly access: Access
  readonly clients: number
  readonly runs: number
  readonly command: string
}

export interface RateAnswer {
  readonly submitMs: readonly number[]
  /** CPU that this process has used, its start included. */
  readonly cpuMs: number
}

const submit = method<object, SubmitResponse__Output>('Runs', 'Submit')
const task = JSON.parse(await text(process.stdin)) as RateTask
let left = task.runs
const submitMs: number[] = []

async function client(): Promise<void> {
  const caller = new UnaryCaller(task.access)
  while (left > 0) {
    left -= 1
    const startedAt = performance.now()
    const spec = { command: task.command, machine: { typeName: 'CPU' } }
    const request = submit.request.encode({ requestId: randomUUID(), spec })
    submit.response.decode(await caller.call(submit.path, request))
    submitMs.push(performance.now() - startedAt)
  }
  caller.close()
}

await Promise.all(Array.from({ length: task.clients }, client))
const { user, system } = process.cpuUsage()
process.stdout.write(
  JSON.stringify({
    submitMs: sample(submitMs, 20_000),
    cpuMs: (user + system) / 1000,
  } satisfies RateAnswer),
)

/** Every n-th, so that the answer stays small. */
function sample(values: readonly number[], most: number): readonly number[] {
  const step = Math.max(1, Math.ceil(values.length / most))
  return values.filter((_, index) => index % step === 0)
}
