import type { Log } from '../../common/log.js'
import type { Runtime } from '../runtimes/runtime.js'
import type { Steps } from '../steps/steps.js'
import type { Attempt } from './attempt.js'
import { removeLeft } from './take-back.js'

/** So many attempts are taken off the machine at a time. */
const lanes = 8

/** Takes what is over off the machine, in the background: no report waits for it. */
export class Cleaner {
  readonly #log: Log
  readonly #runtime: Runtime
  readonly #waiting: (() => Promise<void>)[] = []
  #busy = 0

  constructor(parts: { readonly log: Log; readonly runtime: Runtime }) {
    this.#log = parts.log
    this.#runtime = parts.runtime
  }

  /** Takes every step down; resolves afterwards, whether or not that went well. */
  takeDown(attempt: Attempt, steps: Steps): Promise<void> {
    return this.#enqueue(async () => {
      for (const step of steps.downwards) {
        await step.down(attempt).catch((error: unknown) => {
          const facts = { attempt: attempt.key, step: step.name, error }
          this.#log.warn('What a run left on the machine can not be taken away', facts)
        })
      }
    })
  }

  removeFolder({ id, folders }: Attempt): Promise<void> {
    return this.#enqueue(() => removeLeft({ id, folder: folders.folder }, this.#runtime))
  }

  #enqueue(action: () => Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(() =>
        action()
          .catch((error: unknown) => this.#log.warn('Files of a run can not be removed', { error }))
          .then(resolve),
      )
      if (this.#busy < lanes) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#busy += 1
    for (let action = this.#waiting.shift(); action; action = this.#waiting.shift()) await action()
    this.#busy -= 1
  }
}
