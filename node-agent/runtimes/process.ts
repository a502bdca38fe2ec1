import { existsSync } from 'node:fs'
import { availableParallelism, release, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import { attemptsIn, controlFolderOf } from './control-folder.js'
import { reserveExitNote } from './exit-note.js'
import { bootId, type LinuxProcess, signalProcess } from './linux-processes.js'
import { leaveNote } from './notes.js'
import { originOf } from './process-owner.js'
import { ProcessStarter, type StartOrder } from './process-starter.js'
import {
  agentNotes,
  hasBegun,
  isSupervised,
  membersOf,
  outputBlockBytes,
  readNotes,
  removeNotes,
  type SupervisorNotes,
  supervisorScript,
  taskMark,
  taskMarkName,
} from './process-supervisor.js'
import type { Prepared, Runtime, RuntimeFacts, Task, TaskEnd, TaskState } from './runtime.js'
import { visibleGpus } from './visible-gpus.js'
import { requireWorkingFolder } from './working-folder.js'

export interface ProcessRuntimeSettings {
  readonly attemptsFolder: string
  /**
   * What a command leaves running when it ends by itself has this long after SIGTERM, and so has what brings the output to
   * its file after the command's end. Default 5,000.
   */
  readonly leftoverGraceMs?: number
}

/** How often a task is looked at whose supervisor an earlier process started, or that has ended in part. */
const lookMs = 100
const stepMs = 3
/** In the ordinary case the supervisor ends within a millisecond of the command; nobody else is looked for before this. */
const usualEndMs = 45

/**
 * Runs commands as plain processes of the agent's user: for one trusted user on one machine. No limits are imposed, the
 * GPUs are given by `CUDA_VISIBLE_DEVICES`. How a task is supervised: process-supervisor.ts.
 */
export class ProcessRuntime implements Runtime {
  readonly name = 'process'
  readonly #attemptsFolder: string
  readonly #leftoverGraceMs: number
  readonly #clock: Clock
  readonly #boot = bootId()
  readonly #shell = firstOf(['/bin/bash', '/usr/bin/bash', '/usr/local/bin/bash', '/bin/sh'])
  readonly #cat = firstOf(['/bin/cat', '/usr/bin/cat'])
  readonly #starter = new ProcessStarter()
  /** Supervisors whose end the starter tells, each with whom to wake then. */
  readonly #children = new Map<string, Set<() => void>>()
  /** Sessions that are tasks' own, by the task: what is in one belongs to no other. */
  readonly #sessions = new Map<string, number>()
  /** Ends that are known, of tasks none of whose processes is left. */
  readonly #ends = new Map<string, TaskEnd>()
  /** When, on the monotonic clock, what a command left behind is killed; set when it was sent SIGTERM. */
  readonly #leftoverKillAtMs = new Map<string, number>()

  constructor(settings: ProcessRuntimeSettings, clock: Clock) {
    this.#attemptsFolder = settings.attemptsFolder
    this.#leftoverGraceMs = settings.leftoverGraceMs ?? 5000
    this.#clock = clock
  }

  async describe(): Promise<RuntimeFacts> {
    const warnings = [
      'Runs are plain processes here: without limits on memory and cores, and not kept apart.',
    ]
    if (!this.#shell.endsWith('bash')) warnings.push('bash is not installed; sh runs the commands.')
    return { version: `Linux ${release()}`, cpus: availableParallelism(), memoryBytes: totalmem(), warnings }
  }

  async prepare(): Promise<Prepared> {
    return { imageDigest: undefined, owner: undefined }
  }

  async start(task: Task): Promise<void> {
    if (readNotes(task.controlFolder, this.#boot)) return
    const folder = requireWorkingFolder(task)
    reserveExitNote(task.controlFolder)
    const key = attemptKey(task.id)
    const waiting = new Set<() => void>()
    this.#children.set(key, waiting)
    const over = (): void => {
      this.#children.delete(key)
      for (const wake of waiting) wake()
    }
    await this.#starter.start(this.#order(task, folder), over)
    const notes = readNotes(task.controlFolder, this.#boot)
    if (notes) this.#sessions.set(key, notes.pid)
    else throw new RpcError('INTERNAL', 'The supervisor of the command did not start; is the disk full?')
  }

  async wait(id: AttemptId, signal: AbortSignal): Promise<TaskEnd> {
    // The end of the own supervisor tells by itself: there is nothing to be read before.
    if (this.#children.has(attemptKey(id))) await this.#pause(id, false, signal)
    for (;;) {
      signal.throwIfAborted()
      const known = this.#ends.get(attemptKey(id))
      if (known) return known
      const notes = this.#notes(id)
      if (!notes || (!notes.current && !notes.done)) throw vanished(id)
      const ended = notes.done || notes.exitCode !== undefined || !isSupervised(notes)
      if (ended) {
        if (!isSupervised(notes) || (await this.#supervisorEnds(notes, usualEndMs))) {
          const members = this.#members(id, notes)
          if (members.length === 0) return this.#noteEnd(id, notes)
        }
        this.#endLeftover(id, notes)
      }
      await this.#pause(id, ended, signal)
    }
  }

  async inspect(id: AttemptId): Promise<TaskState> {
    const notes = this.#notes(id)
    if (!notes || (!notes.current && !notes.done)) return 'absent'
    return isSupervised(notes) || this.#members(id, notes).length > 0 ? 'running' : 'ended'
  }

  /** The command's process group hears it in one system call, which no fork escapes; the others one by one. */
  async terminate(id: AttemptId): Promise<void> {
    if (this.#ends.has(attemptKey(id))) return
    const notes = this.#notes(id)
    if (!notes?.current || notes.terminated) return
    const folder = controlFolderOf(this.#attemptsFolder, id)
    leaveNote(join(folder, agentNotes.terminating))
    const members = await this.#begun(id, notes)
    if (isSupervised(notes)) signalProcess(-notes.pid, 'SIGTERM')
    for (const member of members)
      if (member.group !== notes.pid || !isSupervised(notes)) signalProcess(member.pid, 'SIGTERM')
    leaveNote(join(folder, agentNotes.terminated))
  }

  async kill(id: AttemptId): Promise<void> {
    if (this.#ends.has(attemptKey(id))) return
    const notes = this.#notes(id)
    if (!notes?.current) return
    let members = await this.#begun(id, notes)
    for (let round = 0; members.length > 0 && round < 1000; round += 1) {
      for (const member of members) signalProcess(member.pid, 'SIGKILL')
      await this.#clock.sleep(stepMs)
      members = this.#members(id, notes)
    }
    // What they had written may still be in the pipe: a busy machine gets the time to bring it to the file.
    const ended = await this.#supervisorEnds(notes, this.#leftoverGraceMs)
    if (!ended && this.#notes(id)?.exitCode !== undefined) endSupervisor(notes)
  }

  async remove(id: AttemptId): Promise<void> {
    await this.kill(id)
    this.#leftoverKillAtMs.delete(attemptKey(id))
    this.#ends.delete(attemptKey(id))
    this.#sessions.delete(attemptKey(id))
    const folder = controlFolderOf(this.#attemptsFolder, id)
    removeNotes(folder)
  }

  async owned(pids: readonly number[]): Promise<ReadonlySet<number>> {
    const tasks = (await this.list()).map((id) => ({ mark: this.#mark(id).value, notes: this.#notes(id) }))
    const own = pids.filter((pid) => {
      const { sessions, marks } = originOf(pid, taskMarkName)
      return tasks.some(({ mark, notes }) => notes?.current && (marks.has(mark) || sessions.has(notes.pid)))
    })
    return new Set(own)
  }

  async list(): Promise<readonly AttemptId[]> {
    const attempts = await attemptsIn(this.#attemptsFolder)
    return attempts.filter((id) => this.#notes(id) !== undefined)
  }

  /** What a process writes to the rest of the machine says nowhere whose it is. */
  async layerBytes(): Promise<number> {
    return 0
  }

  /** Everything belongs to the agent's own user. */
  async reclaim(): Promise<void> {}

  #noteEnd(id: AttemptId, notes: SupervisorNotes): TaskEnd {
    const exitCode = notes.exitCode ?? this.#notes(id)?.exitCode ?? 128 + 9
    const end = { exitCode, outOfMemory: false }
    this.#ends.set(attemptKey(id), end)
    this.#sessions.delete(attemptKey(id))
    return end
  }

  #order(task: Task, folder: string): StartOrder {
    const { controlFolder, outputFile, command } = task
    const blocks = String(Math.floor(task.outputLimitBytes / outputBlockBytes))
    const args = [controlFolder, outputFile, blocks, this.#shell, command, this.#cat]
    const mark = taskMark(controlFolder)
    return {
      program: '/bin/sh',
      args: ['-c', supervisorScript, 'spell-supervisor', ...args],
      folder,
      env: { ...task.env, ...visibleGpus(task), [mark.name]: mark.value },
    }
  }

  async #supervisorEnds(notes: SupervisorNotes, withinMs: number): Promise<boolean> {
    const untilMs = this.#clock.monotonic() + withinMs
    for (;;) {
      await this.#clock.sleep(stepMs)
      if (!isSupervised(notes)) return true
      if (this.#clock.monotonic() > untilMs) return false
    }
  }

  /** SIGTERM once, SIGKILL after the grace; during a stop the one who stops decides when to kill. */
  #endLeftover(id: AttemptId, notes: SupervisorNotes): void {
    if (notes.terminating) return
    const nowMs = this.#clock.monotonic()
    const killAtMs = this.#leftoverKillAtMs.get(attemptKey(id))
    if (killAtMs === undefined) this.#leftoverKillAtMs.set(attemptKey(id), nowMs + this.#leftoverGraceMs)
    if (killAtMs !== undefined && nowMs < killAtMs) return
    const signal = killAtMs === undefined ? 'SIGTERM' : 'SIGKILL'
    const members = this.#members(id, notes)
    for (const member of members) signalProcess(member.pid, signal)
    if (members.length === 0 && killAtMs !== undefined) endSupervisor(notes)
  }

  /** Neither signal nor child keeps anything of a pause that is over: a run of weeks has millions. */
  async #pause(id: AttemptId, ended: boolean, signal: AbortSignal): Promise<void> {
    const pause = this.#clock.sleep(lookMs, signal)
    const waiting = ended ? undefined : this.#children.get(attemptKey(id))
    if (!waiting) return await pause
    let wake = (): void => undefined
    await new Promise<void>((resolve, reject) => {
      wake = resolve
      waiting.add(wake)
      pause.then(resolve, reject)
    }).finally(() => waiting.delete(wake))
  }

  /** The members, once the command's own shell is among them. */
  async #begun(id: AttemptId, notes: SupervisorNotes): Promise<readonly LinuxProcess[]> {
    for (;;) {
      const now = this.#notes(id) ?? notes
      const members = this.#members(id, now)
      if (hasBegun(now, members)) return members
      await this.#clock.sleep(stepMs)
    }
  }

  #mark(id: AttemptId): { readonly name: string; readonly value: string } {
    return taskMark(controlFolderOf(this.#attemptsFolder, id))
  }

  #notes(id: AttemptId): SupervisorNotes | undefined {
    return readNotes(controlFolderOf(this.#attemptsFolder, id), this.#boot)
  }

  #members(id: AttemptId, notes: SupervisorNotes): readonly LinuxProcess[] {
    return membersOf(controlFolderOf(this.#attemptsFolder, id), notes, this.#sessions)
  }
}

/** Somebody who can't be found holds the output open: nobody waits for him. */
function endSupervisor(notes: SupervisorNotes): void {
  if (isSupervised(notes)) signalProcess(-notes.pid, 'SIGKILL')
}

function vanished(id: AttemptId): RpcError {
  return new RpcError('NOT_FOUND', `The processes of ${attemptKey(id)} are gone; the machine was restarted.`)
}

function firstOf(paths: readonly string[]): string {
  const found = paths.find((path) => existsSync(path))
  if (found === undefined)
    throw new RpcError('FAILED_PRECONDITION', `None of ${paths.join(', ')} is installed.`)
  return found
}
