import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../../common/clock.js'
import { noFailpoints } from '../../../common/failpoint.js'
import { seededRandom } from '../../../common/random.js'
import { Journal } from '../../../node-agent/journal/journal.js'
import { testSettings } from './settings.js'

const writer = fileURLToPath(new URL('./writer.js', import.meta.url))
const rounds = 25
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))

/** What the writer was told to be durable, over all rounds. */
interface Promised {
  readonly assigned: Set<number>
  readonly reports: Map<number, number>
  readonly forgotten: Set<number>
}

test('after a kill at any point everything that was promised is read back, and nothing that was forgotten', async (t) => {
  t.log(`seed ${seed}`)
  const random = seededRandom(seed)
  const folder = mkdtempSync(join(tmpdir(), 'spell-journal-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const promised: Promised = { assigned: new Set(), reports: new Map(), forgotten: new Set() }
  for (let round = 0; round < rounds; round++) {
    await writeUntilKilled(folder, { round, next: () => random.next() }, promised)
    await check(t, folder, promised)
  }
  t.true(promised.forgotten.size > 100, `${promised.forgotten.size} attempts came to their end`)
})

const points = ['journal-write', 'journal-sync', 'journal-synced']

async function writeUntilKilled(
  folder: string,
  chance: { readonly round: number; readonly next: () => number },
  promised: Promised,
): Promise<void> {
  const point = chance.round % 2 === 0 ? '' : (points[Math.floor(chance.next() * points.length)] ?? '')
  const nth = String(1 + Math.floor(chance.next() * 400))
  const child = spawn(process.execPath, [writer, folder, String(seed + chance.round), point, nth], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const output = text(child.stdout)
  const exit = once(child, 'exit')
  if (point === '') {
    // The moment is the test's random point, not something waited for.
    await delay(120 + chance.next() * 400)
    child.kill('SIGKILL')
  }
  await exit
  for (const line of (await output).split('\n').slice(0, -1)) note(line, promised)
}

function note(line: string, { assigned, reports, forgotten }: Promised): void {
  const [what, run = '', number = ''] = line.split(' ')
  if (what === 'assigned') assigned.add(Number(run))
  else if (what === 'report') reports.set(Number(run), Number(number))
  else forgotten.add(Number(run))
}

async function check(t: ExecutionContext, folder: string, promised: Promised): Promise<void> {
  const journal = await Journal.open(testSettings(folder), {
    clock: systemClock,
    failpoints: noFailpoints,
    onFailure: (error) => t.fail(String(error)),
  })
  t.true(journal.node.highestRunId >= Math.max(0, ...promised.assigned), 'no run id is given out twice')
  for (const run of promised.assigned) {
    const entries = journal.attempts.get(`${run}.1`)
    if (promised.forgotten.has(run)) {
      if (entries) t.fail(`run ${run} was forgotten and came back`)
      continue
    }
    // It may have been forgotten without having heard so.
    if (!entries) continue
    const numbers = entries.slice(1).map(({ payload }) => Number(payload.toString()))
    const inOrder = entries[0]?.kind === 'assigned' && numbers.every((number, at) => number === at + 1)
    if (!inOrder) t.fail(`run ${run} reads ${numbers.join(' ')}`)
    const least = promised.reports.get(run) ?? 0
    if (numbers.length < least) t.fail(`run ${run} has ${numbers.length} entries of at least ${least}`)
  }
  await journal.close()
}
