import type { Clock } from '../common/clock.js'
import type { Random } from '../common/random.js'
import { DockerRuntime } from './runtimes/docker.js'
import { DummyRuntime } from './runtimes/dummy.js'
import { ProcessRuntime } from './runtimes/process.js'
import type { Runtime } from './runtimes/runtime.js'

export interface RuntimeChoice {
  readonly runtime: Runtime['name']
  readonly nodeId: string
  readonly attemptsFolder: string
  readonly docker: { readonly socketPath: string }
}

export function makeRuntime(
  choice: RuntimeChoice,
  parts: { readonly clock: Clock; readonly random: Random },
): Runtime {
  const { nodeId, attemptsFolder, docker } = choice
  switch (choice.runtime) {
    case 'docker':
      return new DockerRuntime({ nodeId, attemptsFolder, socketPath: docker.socketPath }, parts)
    case 'process':
      return new ProcessRuntime({ attemptsFolder }, parts.clock)
    case 'dummy':
      return new DummyRuntime({ attemptsFolder }, parts.clock)
  }
}
