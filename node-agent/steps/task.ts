import type { Attempt } from '../attempts/attempt.js'
import { environmentOf } from '../environment.js'
import type { Task } from '../runtimes/runtime.js'

/** So much more than is kept is taken, so that a log that was cut is told from one that has just that length. */
const beyondLimitBytes = 64 * 1024

export interface TaskSettings {
  /** Of an attempt whose assignment names none. */
  readonly logLimitBytes: number
  /** What every run's environment begins with. */
  readonly baseEnvironment: Readonly<Record<string, string>>
}

/** How much of what its command prints is kept. */
export function logLimitOf(attempt: Attempt, settings: TaskSettings): number {
  return attempt.assignment.logLimitBytes || settings.logLimitBytes
}

/** How much the attempt may write; 0: no limit. */
export function diskLimitOf({ assignment }: Attempt, settings: { readonly diskLimitBytes: number }): number {
  return assignment.diskBytes || settings.diskLimitBytes
}

/** An attempt's assignment as the runtime takes it. */
export function taskOf(attempt: Attempt, workingDirectory: string, settings: TaskSettings): Task {
  const { id, spec, defaultImage, cpus, memoryBytes, gpuUuids } = attempt.assignment
  return {
    id,
    command: commandOf(spec.command),
    spellFolder: attempt.folders.spell,
    controlFolder: attempt.folders.control,
    outputFile: attempt.folders.output,
    outputLimitBytes: logLimitOf(attempt, settings) + beyondLimitBytes,
    workingDirectory,
    env: environmentOf(attempt.assignment, settings.baseEnvironment),
    image: spec.environment.dockerImage ?? defaultImage,
    cpus,
    memoryBytes,
    gpuUuids,
  }
}

/** A shell would take one that begins with a dash or a plus for options of its own. */
function commandOf(command: string): string {
  return /^[-+]/.test(command) ? ` ${command}` : command
}
