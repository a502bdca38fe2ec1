/** What a part of a benchmark is given. */
export interface PartOptions {
  /** A tenth of the work or less, to show that it runs. */
  readonly short: boolean
  /** Prints one line. */
  say(line: string): void
}

/** Measures one thing; gives its figures for the JSON file. */
export type Part = (options: PartOptions) => Promise<Readonly<Record<string, unknown>>>
