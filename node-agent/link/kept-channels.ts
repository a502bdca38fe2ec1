import type { Channel } from '../../proto/channel.js'

/**
 * Connections to coordinators that answered without leading. A pool without a leader asks them again and again: that must
 * cost them a stream each time, not a handshake.
 */
export class KeptChannels {
  readonly #open: (address: string) => Channel
  readonly #channels = new Map<string, Channel>()

  constructor(open: (address: string) => Channel) {
    this.#open = open
  }

  /** The caller closes it or gives it back. */
  take(address: string): Channel {
    const known = this.#channels.get(address)
    this.#channels.delete(address)
    return known ?? this.#open(address)
  }

  keep(address: string, channel: Channel): void {
    this.#channels.set(address, channel)
  }

  /** Safe to call twice. */
  close(): void {
    for (const channel of this.#channels.values()) channel.close()
    this.#channels.clear()
  }
}
