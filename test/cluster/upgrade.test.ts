import { closeSync, constants, openSync, writeFileSync, writeSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '../../common/clock.js'
import type { Channel } from '../../proto/channel.js'
import { runSpecToWire } from '../../proto/convert/run-spec.js'
import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import { method } from '../../proto/wire.js'
import { type FaultPool, makePool, startPoolBase } from '../faults/support/pool.js'
import type { Program } from '../faults/support/program.js'
import { submitUntilAnswered, untilAnswered } from '../faults/support/submitter.js'
import { plainSpec } from '../fixtures/full-spec.js'

// This version beside the one after it (this one with a made-up version more of records, link and what it takes): two
// coordinators and two agents are upgraded one by one, back once, and to the end, while runs go on.

const signal = AbortSignal.timeout(300_000)
const next = { versionsAhead: 1 }
/** Not within this test; only who comes last is told to be quick. */
const limits = { raiseSchemaAfterMs: 3_600_000, archive: { segmentAfterMs: 1 } }
const quickly = { ...next, limits: { ...limits, raiseSchemaAfterMs: 1_000 } }
const raised =
  'Records are written in a new version from now on: no coordinator of an older one can lead any more'
const get = method<object, Run__Output>('Runs', 'Get')

test('a pool is upgraded program by program while runs go on', async (t) => {
  const base = await startPoolBase()
  t.teardown(() => base.stop())
  const pool = await makePool(base, 'upgrade', {
    leaseTtlSeconds: 2,
    coordinator: { limits },
    agent: { runtime: 'process' },
  })
  t.teardown(() => pool.stop())
  const [c1, c2] = pool.coordinators
  const n2 = await pool.addAgent('n2')
  const gates = new Gates(pool)
  t.teardown(() => gates.openAll())
  const channel = pool.open()
  const submitted = () => gates.submit(channel)

  c1.start()
  await leads(c1)
  for (const program of [c2, pool.agent, n2]) program.start()
  for (let count = 0; count < 3; count += 1) await submitted()
  await gates.reached(1, 2, 3)

  // The newer one leads, the older one is there, and nothing is written that the older one could not read.
  await stopped(c2)
  c2.start(undefined, next)
  await c2.says('This coordinator listens')
  await stopped(c1)
  await leads(c2)
  c1.start()
  t.is(await submitted(), 4)
  await replaced(pool.agent)
  await gates.reached(4)
  await gates.open(1)
  await ends(channel, 1)
  t.deepEqual(await recordVersions(pool), [1])

  // The older one leads again, with what the newer one has written, and with an agent of each version.
  await c1.says('This coordinator listens')
  await stopped(c2)
  await leads(c1)
  t.is(await submitted(), 5)
  await gates.reached(5)
  await gates.open(2)
  await ends(channel, 2)

  // All are new.
  c2.start(undefined, quickly)
  await c2.says('This coordinator listens')
  await stopped(c1)
  await leads(c2)
  c1.start(undefined, next)
  await replaced(n2)
  await c2.says(raised)
  t.is(await submitted(), 6)
  t.true((await recordVersions(pool)).includes(2))
  await gates.reached(6)
  for (const id of [3, 4, 5, 6]) await gates.open(id)
  for (const id of [1, 2, 3, 4, 5, 6]) await ends(channel, id)

  // Who is too far away is refused, and says what is wanted.
  await stopped(n2)
  n2.start(undefined, { versionsAhead: 3 })
  await n2.saysMatching(/speaks version 4 of the link; this coordinator .* speaks 2 and takes 1 to 3/)
  await stopped(c1)
  await stopped(c2)
  c1.start()
  await c1.says('This term has failed')
  const refused = await t.throwsAsync(refusal(channel))
  t.regex(refused?.message ?? '', /schema version 2; this coordinator reads .*1\. Upgrade it/)
})

/** Runs that wait for a named pipe. */
class Gates {
  readonly #pool: FaultPool
  #count = 0

  constructor(pool: FaultPool) {
    this.#pool = pool
  }

  async submit(channel: Channel): Promise<number> {
    this.#count += 1
    const gate = this.#gate(this.#count)
    const command = `mkfifo ${gate} && echo begun > ${gate}.begun && read -r line < ${gate} && echo "$line" > out.txt`
    const spec = runSpecToWire({ ...plainSpec, command })
    const { runId } = await submitUntilAnswered(channel, { requestId: `run-${this.#count}`, spec }, signal)
    return runId
  }

  async reached(...ids: readonly number[]): Promise<void> {
    for (const id of ids) await until(() => exists(`${this.#gate(id)}.begun`))
  }

  async open(id: number): Promise<void> {
    writeFileSync(this.#gate(id), `through ${id}\n`)
  }

  openAll(): void {
    for (let id = 1; id <= this.#count; id += 1) letThrough(this.#gate(id))
  }

  #gate(id: number): string {
    return join(this.#pool.folder, `gate-${id}`)
  }
}

/** Does nothing where nobody waits. */
function letThrough(gate: string): void {
  try {
    const file = openSync(gate, constants.O_WRONLY | constants.O_NONBLOCK)
    writeSync(file, 'over\n')
    closeSync(file)
  } catch {
    // It was let through before, or never came so far.
  }
}

async function exists(path: string): Promise<boolean> {
  const file = await openFile(path).catch(() => undefined)
  await file?.close()
  return file !== undefined
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await systemClock.sleep(50, signal)
}

async function leads(program: Program): Promise<void> {
  await program.says('This coordinator is ready to lead')
}

async function stopped(program: Program): Promise<void> {
  await program.signal('SIGTERM')
}

async function replaced(agent: Program): Promise<void> {
  await stopped(agent)
  agent.start(undefined, next)
  await agent.says('Linked to the leader')
}

async function ends(channel: Channel, runId: number): Promise<void> {
  await until(async () => {
    const run = await untilAnswered(() => channel.call(get, { runId }, { deadlineMs: 3_000 }), signal)
    if (/FAILED|INTERRUPTED|KILLED/.test(run.state))
      throw new Error(`run ${runId}: ${run.state} ${run.reason}`)
    return run.state === 'COMPLETE' && run.exitCode === 0 && run.attempt === 1
  })
}

async function refusal(channel: Channel): Promise<void> {
  await untilAnswered(() => channel.call(get, { runId: 1 }, { deadlineMs: 3_000 }), signal)
}

/** Of all records of runs, users and nodes in etcd. */
async function recordVersions({ client, keys }: FaultPool): Promise<readonly number[]> {
  const versions = new Set<number>()
  for (const prefix of [keys.runs, keys.users, keys.nodes, keys.requests])
    for (const { value } of (await client.range({ prefix, limit: 1_000 })).entries)
      versions.add(JSON.parse(value).v)
  return [...versions].sort()
}
