import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface ProgramChoice {
  readonly program: 'coordinator' | 'node-agent'
  /** Of this process; names its settings file. */
  readonly name: string
  /** Where that file is written. */
  readonly folder: string
  readonly settings: object
  /** Words before `node` that end by executing what follows them. */
  readonly around?: readonly string[]
  /** Words between `node` and the program. */
  readonly nodeWords?: readonly string[]
}

export interface Failpoint {
  readonly name: string
  readonly nth: number
}

interface LogLine {
  readonly msg: string
  readonly [fact: string]: unknown
}

const keptLines = 2_000

/** A real program with its settings, to be started, killed and started again. It ends with the test process. */
export class Program {
  readonly name: string
  readonly #choice: ProgramChoice
  readonly #lines: LogLine[] = []
  readonly #listeners = new Set<() => void>()
  #child: ChildProcess | undefined
  #ended: Promise<unknown> = Promise.resolve()
  #linesBefore = 0
  /** Times that it was ended by SIGKILL, from here or by itself. */
  kills = 0

  constructor(choice: ProgramChoice) {
    this.name = choice.name
    this.#choice = choice
  }

  /** `over`: settings that count over its own from now on, as of another version. */
  start(failpoint?: Failpoint, over: object = {}): void {
    const { program, name, folder, settings, around = [], nodeWords = [] } = this.#choice
    const file = join(folder, `${name}.json`)
    writeFileSync(file, JSON.stringify({ ...settings, ...over, ...(failpoint && { failpoint }) }))
    const main = fileURLToPath(new URL(`../../../${program}/main.js`, import.meta.url))
    const words = [...around, process.execPath, ...nodeWords, main, '--settings', file]
    const child = spawn('setpriv', ['--pdeathsig=KILL', ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH },
    })
    this.#child = child
    this.#linesBefore = this.#lines.length
    createInterface({ input: child.stderr }).on('line', (line) => this.#take(line))
    this.#ended = once(child, 'exit').then(() => {
      if (child.signalCode === 'SIGKILL') this.kills += 1
      this.#tell()
    })
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** How the newest process ended, such as `SIGKILL` or `1`; empty while it runs. */
  get end(): string {
    return this.isRunning ? '' : String(this.#child?.signalCode ?? this.#child?.exitCode ?? 'never started')
  }

  get ended(): Promise<unknown> {
    return this.#ended
  }

  /** Resolves when it is gone. */
  async signal(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.isRunning) this.#child?.kill(signal)
    await this.#ended
  }

  /** Whether the newest process has logged this sentence. */
  hasSaid(sentence: string): boolean {
    return this.#lines.slice(this.#linesBefore).some(({ msg }) => msg === sentence)
  }

  /** Resolves when the newest process has logged this sentence, or has ended. */
  async says(sentence: string): Promise<void> {
    await this.#until(() => this.hasSaid(sentence))
  }

  /** The same for any line of its log, with its facts. */
  async saysMatching(pattern: RegExp): Promise<void> {
    await this.#until(() =>
      this.#lines.slice(this.#linesBefore).some((line) => pattern.test(JSON.stringify(line))),
    )
  }

  async #until(holds: () => boolean): Promise<void> {
    while (this.isRunning && !holds()) {
      await new Promise<void>((resolve) => {
        const listener = () => {
          this.#listeners.delete(listener)
          resolve()
        }
        this.#listeners.add(listener)
      })
    }
  }

  /** The newest lines of its log, for a person who looks for what went wrong. */
  lastLines(count: number): readonly string[] {
    return this.#lines.slice(-count).map((line) => `${this.name}: ${JSON.stringify(line)}`)
  }

  #take(line: string): void {
    this.#lines.push(line.startsWith('{') ? JSON.parse(line) : { msg: line })
    if (this.#lines.length > 2 * keptLines) {
      this.#lines.splice(0, keptLines)
      this.#linesBefore = Math.max(0, this.#linesBefore - keptLines)
    }
    this.#tell()
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
