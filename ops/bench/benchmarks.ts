/** What a part of a benchmark is given. */
export interface BenchmarkOptions {
  /** A tenth of the work or less, to show that it runs. */
  readonly short: boolean
  /** Prints one line. */
  say(line: string): void
}

/** Measures one thing; gives its figures for the JSON file. */
export type Part = (options: BenchmarkOptions) => Promise<Readonly<Record<string, unknown>>>

export interface Benchmark {
  readonly name: string
  readonly parts: Readonly<Record<string, Part>>
}

/** Each is one command: `npm run bench -- NAME`. */
export const benchmarks: readonly Benchmark[] = []
