import type { Clock } from '../common/clock.js'
import { RpcError } from '../common/errors.js'
import { DummyRuntime } from './runtimes/dummy.js'
import { ProcessRuntime } from './runtimes/process.js'
import type { Runtime } from './runtimes/runtime.js'

export interface RuntimeChoice {
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
    default:
      throw new RpcError('UNIMPLEMENTED', 'Docker is not there yet.')
  }
}
