/** What the program's exit code says. */
export const exitCodes = {
  ok: 0,
  error: 1,
  usage: 2,
  configuration: 3,
  workspace: 4,
  commit: 5,
  repository: 6,
} as const

export type ExitWord = keyof typeof exitCodes

/** Ends the program with a sentence on stderr and the exit code of its word. Thrown anywhere, answered in main.ts. */
export class Failure extends Error {
  readonly exit: ExitWord

  constructor(exit: ExitWord, sentence: string, options: { readonly cause?: unknown } = {}) {
    super(sentence, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'Failure'
    this.exit = exit
  }
}

/** Ends the program with this exit code; all that was to be said has been said. */
export class Quit extends Error {
  readonly code: number

  constructor(code: number) {
    super(`exit ${code}`)
    this.name = 'Quit'
    this.code = code
  }
}
