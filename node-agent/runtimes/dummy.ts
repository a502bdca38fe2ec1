import { appendFileSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join, relative, resolve } from 'node:path'
import type { Clock } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import { attemptsIn, controlFolderOf } from './control-folder.js'
import { asksFor, evaluate, type Script } from './dummy-script.js'
import type { Prepared, Runtime, RuntimeFacts, Task, TaskEnd, TaskState } from './runtime.js'
import { requireWorkingFolder } from './working-folder.js'

/** A reason of its own would be made, with its stack, for every task. */
const changedScript = new Error('The script has changed.')
/** Longest sleep between two looks at the clock. */
const longestSleepMs = 3_600_000

/** What is kept on disk of a task, so that any later process works out the same story. */
interface Kept {
  readonly v: 1
  readonly command: string
  readonly startedAtMs: number
  readonly terminatedAtMs?: number
  readonly killedAtMs?: number
  readonly spellFolder: string
  readonly outputFile: string
  readonly outputLimitBytes: number
}

interface Live {
  kept: Kept
  script: Script
  /** Events already carried out. */
  done: number
  /** Aborted when a signal changes the script. */
  changed: AbortController
}

/**
 * Does what the command asks (`dummy-script.ts`) without a process, as if one had. Effects appear while somebody waits for
 * the task or asks about it. Files are tiny and written without fsync, so the synchronous calls, at a third of the
 * asynchronous ones' cost, never wait for a disk; thousands of runs a second go through here in benchmarks.
 */
export class DummyRuntime implements Runtime {
  readonly name = 'dummy'
  readonly #attemptsFolder: string
  readonly #clock: Clock
  readonly #live = new Map<string, Live>()

  constructor(settings: { readonly attemptsFolder: string }, clock: Clock) {
    this.#attemptsFolder = settings.attemptsFolder
    this.#clock = clock
  }

  async describe(): Promise<RuntimeFacts> {
    return { version: 'dummy', cpus: availableParallelism(), memoryBytes: totalmem(), warnings: [] }
  }

  async prepare(task: Task): Promise<Prepared> {
    if (asksFor(task.command, 'fail-to-prepare'))
      throw new RpcError('NOT_FOUND', `The image ${task.image} does not exist, as the command asked.`)
    return { imageDigest: undefined, owner: undefined }
  }

  async start(task: Task): Promise<void> {
    if (this.#find(task.id)) return
    if (asksFor(task.command, 'fail-to-start'))
      throw new RpcError('FAILED_PRECONDITION', 'The command does not start, as it asked.')
    requireWorkingFolder(task)
    const { command, spellFolder, outputFile, outputLimitBytes } = task
    appendFileSync(outputFile, '')
    const startedAtMs = this.#clock.now()
    const kept: Kept = { v: 1, command, startedAtMs, spellFolder, outputFile, outputLimitBytes }
    writeFileSync(join(task.controlFolder, 'dummy.json'), JSON.stringify(kept))
    const live = { kept, script: evaluate(command, {}), done: 0, changed: new AbortController() }
    this.#live.set(attemptKey(task.id), live)
    this.#advance(live)
  }

  async wait(id: AttemptId, signal: AbortSignal): Promise<TaskEnd> {
    for (;;) {
      signal.throwIfAborted()
      const live = this.#find(id)
      if (!live) throw new RpcError('NOT_FOUND', `Nothing is known of ${attemptKey(id)} here.`)
      const nextMs = this.#advance(live)
      if (nextMs === undefined)
        return { exitCode: live.script.exitCode, outOfMemory: live.script.outOfMemory }
      const { changed } = live
      const either = AbortSignal.any([signal, changed.signal])
      await this.#clock.sleep(Math.min(nextMs, longestSleepMs), either).catch((error: unknown) => {
        if (!changed.signal.aborted) throw error
      })
    }
  }

  async inspect(id: AttemptId): Promise<TaskState> {
    const live = this.#find(id)
    if (!live) return 'absent'
    return this.#advance(live) === undefined ? 'ended' : 'running'
  }

  async terminate(id: AttemptId): Promise<void> {
    this.#signal(id, 'terminatedAtMs')
  }

  async kill(id: AttemptId): Promise<void> {
    this.#signal(id, 'killedAtMs')
  }

  async remove(id: AttemptId): Promise<void> {
    makeEmpty(this.#file(id))
    const live = this.#live.get(attemptKey(id))
    this.#live.delete(attemptKey(id))
    live?.changed.abort(changedScript)
  }

  /** Its tasks are no processes. */
  async owned(): Promise<ReadonlySet<number>> {
    return new Set()
  }

  async list(): Promise<readonly AttemptId[]> {
    const attempts = await attemptsIn(this.#attemptsFolder)
    return attempts.filter((id) => this.#find(id) !== undefined)
  }

  async layerBytes(): Promise<number> {
    return 0
  }

  async reclaim(): Promise<void> {}

  /** Carries out what has become due; the milliseconds until the next event or the end, undefined after the end. */
  #advance(live: Live): number | undefined {
    const { kept, script } = live
    const elapsedMs = this.#clock.now() - kept.startedAtMs
    let due = live.done
    while (due < script.events.length && (script.events[due]?.atMs ?? 0) <= elapsedMs) due += 1
    if (due > live.done) {
      bringUpTo(kept, script, live.done, due)
      live.done = due
    }
    const nextAtMs = script.events[due]?.atMs ?? script.endMs
    return due === script.events.length && script.endMs <= elapsedMs ? undefined : nextAtMs - elapsedMs
  }

  #signal(id: AttemptId, name: 'terminatedAtMs' | 'killedAtMs'): void {
    const live = this.#find(id)
    if (!live || this.#advance(live) === undefined || live.kept[name] !== undefined) return
    live.kept = { ...live.kept, [name]: this.#clock.now() - live.kept.startedAtMs }
    const file = this.#file(id)
    writeFileSync(`${file}.new`, JSON.stringify(live.kept))
    renameSync(`${file}.new`, file)
    live.script = evaluate(live.kept.command, live.kept)
    const { changed } = live
    live.changed = new AbortController()
    changed.abort(changedScript)
  }

  #find(id: AttemptId): Live | undefined {
    const known = this.#live.get(attemptKey(id))
    if (known) return known
    const kept = read(this.#file(id))
    if (!kept) return undefined
    const live = { kept, script: evaluate(kept.command, kept), done: 0, changed: new AbortController() }
    this.#live.set(attemptKey(id), live)
    return live
  }

  #file(id: AttemptId): string {
    return join(controlFolderOf(this.#attemptsFolder, id), 'dummy.json')
  }
}

/** A file cut off by a crash of the agent counts as none: the start is then made again. */
function read(file: string): Kept | undefined {
  try {
    const text = readFileSync(file, 'utf8')
    return text === '' ? undefined : (JSON.parse(text) as Kept)
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** An empty file counts as none. The folder may serve another task: a file system makes and removes files ten times slower. */
function makeEmpty(file: string): void {
  try {
    truncateSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Output is appended from where the file ends, since an earlier process may have written a part of it. */
function bringUpTo(kept: Kept, script: Script, done: number, due: number): void {
  const events = script.events.slice(0, due)
  for (const event of events.slice(done))
    if (event.kind === 'write') writeFileSync(within(kept.spellFolder, event.file), event.text)
  const text = events.map((event) => (event.kind === 'output' ? event.text : '')).join('')
  if (text === '') return
  const bytes = Buffer.from(text).subarray(0, kept.outputLimitBytes)
  const present = statSync(kept.outputFile, { throwIfNoEntry: false })?.size ?? 0
  if (present < bytes.length) appendFileSync(kept.outputFile, bytes.subarray(present))
}

function within(folder: string, file: string): string {
  const path = resolve(folder, file)
  if (relative(folder, path).startsWith('..'))
    throw new RpcError('INVALID_ARGUMENT', `${file} lies outside of /spell.`)
  return path
}
