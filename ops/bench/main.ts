import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { messageOf } from '../../common/errors.js'
import { type Benchmark, benchmarks } from './benchmarks.js'

// npm run bench -- NAME [PART ...] [--json FILE] [--short]
// Prints each figure as it is had; with --json the same figures go to FILE. Whether a target is met is printed, never
// asserted: a benchmark fails only when it could not measure.

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, short: { type: 'boolean', default: false } },
})

const [name, ...parts] = positionals
const benchmark = benchmarks.find((candidate) => candidate.name === name)
if (!benchmark) {
  const known = benchmarks.map((one) => `  ${one.name}: ${Object.keys(one.parts).join(', ')}`).join('\n')
  console.error(`Usage: npm run bench -- NAME [PART ...] [--json FILE] [--short]\n${known}`)
  process.exit(2)
}

try {
  await run(benchmark)
  process.exit(0)
} catch (error) {
  console.error(`The benchmark could not measure: ${messageOf(error)}`)
  console.error(error instanceof Error ? error.stack : '')
  process.exit(1)
}

async function run(chosen: Benchmark): Promise<void> {
  const unknown = parts.find((part) => !(part in chosen.parts))
  if (unknown)
    throw new Error(`${chosen.name} has no part ${unknown}; it has ${Object.keys(chosen.parts).join(', ')}`)
  const results: Record<string, unknown> = {}
  for (const [part, measure] of Object.entries(chosen.parts)) {
    if (parts.length > 0 && !parts.includes(part)) continue
    console.log(`== ${chosen.name} ${part}`)
    results[part] = await measure({ short: values.short, say: (line) => console.log(line) })
    if (values.json) await writeFile(values.json, `${JSON.stringify(results, undefined, 2)}\n`)
  }
}
