import type { Clock } from '../common/clock.js'
import { systemRandom } from '../common/random.js'
import { DockerRuntime } from './runtimes/docker.js'
import { DummyRuntime } from './runtimes/dummy.js'
import { ProcessRuntime } from './runtimes/process.js'
import type { Runtime } from './runtimes/runtime.js'

export interface RuntimeChoice {
  /** Of the node. */
  readonly name: string
  readonly runtime: Runtime['name']
  readonly attemptsFolder: string
  readonly docker: { readonly socketPath: string }
}

export function makeRuntime(choice: RuntimeChoice, clock: Clock): Runtime {
  const { attemptsFolder } = choice
  switch (choice.runtime) {
    case 'process':
      return new ProcessRuntime({ attemptsFolder }, clock)
    case 'dummy':
      return new DummyRuntime({ attemptsFolder }, clock)
    case 'docker': {
      const settings = { nodeId: choice.name, attemptsFolder, ...choice.docker }
      return new DockerRuntime(settings, { clock, random: systemRandom })
    }
  }
}
