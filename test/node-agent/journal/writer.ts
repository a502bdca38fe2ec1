// Appends to a journal until it is killed, and says on stdout what has become durable: `assigned R`, `report R N`,
// `forgotten R`. argv: folder, seed, failpoint ('' for none), nth.
import { writeSync } from 'node:fs'
import { systemClock } from '../../../common/clock.js'
import { killAt, noFailpoints } from '../../../common/failpoint.js'
import { seededRandom } from '../../../common/random.js'
import { Journal } from '../../../node-agent/journal/journal.js'
import { testSettings } from './settings.js'

const [folder = '', seed = '0', failpoint = '', nth = '1'] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const journal = await Journal.open(testSettings(folder), {
  clock: systemClock,
  failpoints: failpoint === '' ? noFailpoints : killAt(failpoint, Number(nth)),
  onFailure: (error) => {
    throw error
  },
})
let nextRun = journal.node.highestRunId + 1

/** The first lives for long, so that its entries must be carried from segment to segment. */
async function attempt(length: number): Promise<void> {
  const id = { runId: nextRun++, attempt: 1 }
  await journal.append('assigned', id, Buffer.alloc(Math.floor(random.next() * 3000), 65))
  say(`assigned ${id.runId}`)
  for (let number = 1; number <= length; number++) {
    await journal.append(random.next() < 0.3 ? 'fact' : 'report', id, Buffer.from(String(number)))
    say(`report ${id.runId} ${number}`)
  }
  await journal.append('forgotten', id, Buffer.alloc(0))
  say(`forgotten ${id.runId}`)
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

async function lane(): Promise<never> {
  for (;;) await attempt(Math.floor(random.next() * 12))
}

await Promise.all([attempt(100_000), lane(), lane(), lane(), lane()])
