import type { AttemptId } from '../../proto/model/attempt.js'

/**
 * What executes a run's command: Docker, plain processes, or the dummy.
 *
 * Order of calls for one task: `prepare`, `start`, then `wait` (as often as wanted, also at once by several), `terminate`
 * and `kill` at any time after `start`, at last `remove`. Calls for different tasks may overlap freely; of one task's
 * calls only `wait`, `inspect`, `terminate` and `kill` may overlap one another.
 *
 * Everything is safe to repeat, also by another process of the agent after the first was killed at any point:
 * `start` of a task that was started before changes nothing, `terminate`, `kill` and `remove` of one that has ended or is
 * not there succeed. A task goes on while the agent is down, and its end is found by a later `wait`.
 *
 * The task's output (stdout and stderr, in the order written, byte for byte) is appended to `outputFile` by something that
 * lives as long as the task, not as long as the agent; the file is there after `start`; nothing is lost when the task ends or is killed after a graceful
 * end. Past `outputLimitBytes` the rest is discarded without blocking the task.
 *
 * Failures that a person can mend (no such image, a command that does not start) throw RpcError with a sentence.
 */
export interface Runtime {
  readonly name: 'docker' | 'process' | 'dummy'
  /** Version and capacity, with warnings (such as an engine without live-restore). */
  describe(signal: AbortSignal): Promise<RuntimeFacts>
  /** Whatever must be there before start, such as the image. `progress` gets lines for the user. */
  prepare(task: Task, progress: (line: string) => void, signal: AbortSignal): Promise<Prepared>
  /** Resolves when the command has been started. */
  start(task: Task, prepared: Prepared): Promise<void>
  /** Resolves when the last process of the task has ended. Survives restarts of the engine below. NOT_FOUND: it vanished. */
  wait(id: AttemptId, signal: AbortSignal): Promise<TaskEnd>
  inspect(id: AttemptId): Promise<TaskState>
  /** SIGTERM to every process of the task; the task then lives until the last has ended. */
  terminate(id: AttemptId): Promise<void>
  /** SIGKILL to every process of the task. What they had written before is still brought to the output file. */
  kill(id: AttemptId): Promise<void>
  /** Takes everything of the task off the machine but its folder. */
  remove(id: AttemptId): Promise<void>
  /**
   * Bytes that the task has written besides its folders and its output, as far as they can be told from those of others: a
   * container's own layer. It may take as long as looking at every file of it.
   */
  layerBytes(id: AttemptId): Promise<number>
  /** Of these processes of the machine, those that belong to a task of this node. */
  owned(pids: readonly number[]): Promise<ReadonlySet<number>>
  /** Every task that this machine's runtime still knows for this node. */
  list(): Promise<readonly AttemptId[]>
  /**
   * Gives everything under a folder of the task to the agent's own user (a container's root may own files that an agent
   * without root cannot touch).
   */
  reclaim(id: AttemptId, folder: string): Promise<void>
}

export interface RuntimeFacts {
  readonly version: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly warnings: readonly string[]
}

export interface Task {
  readonly id: AttemptId
  /** One string for a shell. */
  readonly command: string
  /** Host folder that is `/spell` in the run. */
  readonly spellFolder: string
  /**
   * Folder for the runtime's own files about this task (exit status, process ids); kept until `remove`. It is
   * `controlFolderOf(attemptsFolder, id)`, so that it is found by the id alone, and exists, as the spell folder and the
   * output file's folder do, before `start`.
   */
  readonly controlFolder: string
  readonly outputFile: string
  readonly outputLimitBytes: number
  /** Relative to `/spell`; empty for `/spell` itself. */
  readonly workingDirectory: string
  /** The whole environment, but for what the image adds below it. */
  readonly env: Readonly<Record<string, string>>
  readonly image: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly gpuUuids: readonly string[]
}

export interface Prepared {
  /** Content digest of the image; undefined where there is none. */
  readonly imageDigest: string | undefined
  /** `uid:gid` that the command runs as and `/spell` belongs to; undefined: the agent's own. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
}

export interface TaskEnd {
  /** Of the command; 128 + n when signal n ended it. */
  readonly exitCode: number
  readonly outOfMemory: boolean
}

export type TaskState = 'absent' | 'running' | 'ended'
