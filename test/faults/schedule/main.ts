import { runSchedule } from './schedule.js'

// One schedule in a process of its own: `node main.js SEED`. Its result is the one line that it prints.

const seed = Number(process.argv[2])
const result = await runSchedule(seed)
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
