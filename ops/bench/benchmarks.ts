import type { Part } from './part.js'
import { measureRate } from './spine/rate.js'

export interface Benchmark {
  readonly name: string
  readonly parts: Readonly<Record<string, Part>>
}

/** Each is one command: `npm run bench -- NAME`. */
export const benchmarks: readonly Benchmark[] = [{ name: 'spine', parts: { rate: measureRate } }]
