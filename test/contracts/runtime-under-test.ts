import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { controlFolderOf } from '../../node-agent/runtimes/control-folder.js'
import type { Prepared, Runtime, Task } from '../../node-agent/runtimes/runtime.js'
import { attemptKey } from '../../proto/model/attempt.js'

/** A runtime that the contract is tried on. */
export interface RuntimeUnderTest {
  /** A new object, as a new process of the agent has one. */
  open(attemptsFolder: string): Runtime
  readonly image: string
  /** How a command says that SIGTERM shall do nothing. */
  readonly deaf: string
  /** Variables that a command finds besides those of its task. */
  readonly extraVariables?: readonly string[]
}

const mebibyte = 1024 * 1024

/** A folder for attempts, and tasks in it; everything is gone after `end`. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'spell-runtime-'))
  runtime: Runtime
  readonly #under: RuntimeUnderTest
  #lastRun = 0

  get extraVariables(): readonly string[] {
    return this.#under.extraVariables ?? []
  }

  get deaf(): string {
    return this.#under.deaf
  }

  constructor(under: RuntimeUnderTest) {
    this.#under = under
    this.runtime = under.open(this.folder)
  }

  /** As after a restart of the agent: another object, which knows nothing. */
  reopen(): void {
    this.runtime = this.#under.open(this.folder)
  }

  task(command: string, changes: Partial<Task> = {}): Task {
    if (!changes.id) this.#lastRun += 1
    const id = changes.id ?? { runId: this.#lastRun, attempt: 1 }
    const attempt = join(this.folder, attemptKey(id))
    const task: Task = {
      id,
      command,
      spellFolder: join(attempt, 'spell'),
      controlFolder: controlFolderOf(this.folder, id),
      outputFile: join(attempt, 'output'),
      outputLimitBytes: 64 * mebibyte,
      workingDirectory: '',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/tmp', LANG: 'C.UTF-8' },
      image: this.#under.image,
      cpus: 1,
      memoryBytes: 256 * mebibyte,
      gpuUuids: [],
      ...changes,
    }
    mkdirSync(task.spellFolder, { recursive: true })
    mkdirSync(task.controlFolder, { recursive: true })
    return task
  }

  async prepare(task: Task): Promise<Prepared> {
    return await this.runtime.prepare(task, () => undefined, AbortSignal.timeout(120_000))
  }

  /** A task of this command, started. */
  async start(command: string, changes: Partial<Task> = {}): Promise<Task> {
    const task = this.task(command, changes)
    await this.runtime.start(task, await this.prepare(task))
    return task
  }

  async end(): Promise<void> {
    for (const id of await this.runtime.list()) await this.runtime.remove(id)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export function output(task: Task): string {
  return readFileSync(task.outputFile, 'latin1')
}

/** Of what the task's command printed. */
export function outputHash(task: Task): string {
  return createHash('sha256').update(readFileSync(task.outputFile)).digest('hex')
}

/** Resolves when the output has this text. */
export async function untilOutput(task: Task, text: string): Promise<void> {
  await until(() => output(task).includes(text), `the output has ${JSON.stringify(text)}`)
}

export async function until(condition: () => boolean, sentence: string): Promise<void> {
  const giveUpMs = performance.now() + 60_000
  for (;;) {
    try {
      if (condition()) return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    if (performance.now() > giveUpMs) throw new Error(`It did not come true that ${sentence}.`)
    await delay(10)
  }
}

export const never: AbortSignal = new AbortController().signal
