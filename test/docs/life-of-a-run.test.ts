import { readFileSync } from 'node:fs'
import test from 'ava'
import { type RunEventName, runTable } from '../../coordinator/core/run-states.js'
import { projectRoot } from '../cli/support/spell.js'

test('the page has the table that the coordinator decides by', (t) => {
  const page = readFileSync(`${projectRoot}/docs/life-of-a-run.md`, 'utf8')
  for (const [state, row] of Object.entries(runTable)) {
    const line = page.split('\n').find((one) => one.startsWith(`| \`${state}\` |`) && !one.endsWith('log |'))
    t.truthy(line, state)
    const cells = (line ?? '').split('|')[2]?.split(';') ?? []
    const read = cells.flatMap((cell) => eventsOf(cell, state))
    t.deepEqual(Object.fromEntries(read), row, state)
  }
})

/** Of "`ended` `saved` → `saving`". */
function eventsOf(cell: string, state: string): readonly (readonly [RunEventName, string])[] {
  const [events = '', next = ''] = cell.split('→')
  if (next === '') return []
  const to = next.includes('stays') ? state : next.replaceAll('`', '').trim()
  return [...events.matchAll(/`(\w+)`/g)].map((match) => [match[1] as RunEventName, to])
}
