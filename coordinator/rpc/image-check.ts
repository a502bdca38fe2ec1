import type { Clock } from '../../common/clock.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import type { Leader } from '../leader.js'

/** How long a "yes" is believed without asking again, in milliseconds. A "no" is never. */
const believedMs = 1_000

/** Whether a run that names no image will find one. */
export class ImageCheck {
  readonly #clock: Clock
  #fineUntil = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** true without a wait; false: `refusal` has to be asked. */
  allows(spec: RunSpec): boolean {
    const named = spec.environment.dockerImage ?? spec.environment.framework ?? spec.environment.condaFile
    return named !== undefined || this.#clock.monotonic() < this.#fineUntil
  }

  async refusal(leader: Leader): Promise<string | undefined> {
    const [settings, nodes] = await Promise.all([leader.settings(), leader.nodes()])
    if (settings['default-image'] || !nodes.some((node) => node.inventory.runtime === 'docker')) {
      this.#fineUntil = this.#clock.monotonic() + believedMs
      return undefined
    }
    return 'The run names no image and the cluster has no default one. Use --from IMAGE, or let an admin call "spell cluster set default-image IMAGE".'
  }
}
