import { measureScale } from './cluster/scale.js'
import type { Part } from './part.js'
import { measureCommand } from './spine/command.js'
import { measureLogs } from './spine/logs.js'
import { measureRate } from './spine/rate.js'
import { measureSlurm } from './spine/slurm.js'
import { measureWarm } from './spine/warm.js'

export interface Benchmark {
  readonly name: string
  readonly parts: Readonly<Record<string, Part>>
}

/** Each is one command: `npm run bench -- NAME`. */
export const benchmarks: readonly Benchmark[] = [
  {
    name: 'spine',
    parts: {
      warm: measureWarm,
      rate: measureRate,
      logs: measureLogs,
      slurm: measureSlurm,
      command: measureCommand,
    },
  },
  { name: 'cluster', parts: { scale: measureScale } },
]
