import { type ChannelOptions, type Client, connectivityState } from '@grpc/grpc-js'
import type { Clock } from '../common/clock.js'
import { invariant } from '../common/errors.js'
import { secureClient, type TlsIdentity } from './secure-client.js'

/** How long one address may take to connect before the next is tried as well, in milliseconds. */
const patienceMs = 2_000

/** gRPC clients of several addresses that all lead to the same service. Connected on first use. */
export class Connections {
  readonly #addresses: readonly string[]
  readonly #options: ChannelOptions
  readonly #tls: TlsIdentity
  readonly #clock: Clock
  readonly #clients = new Map<number, Client>()
  #current = 0
  #searching: Promise<Client> | undefined

  constructor(addresses: readonly string[], tls: TlsIdentity, options: ChannelOptions, clock: Clock) {
    invariant(addresses.length > 0, 'a channel has an address')
    this.#addresses = addresses
    this.#options = options
    this.#clock = clock
    this.#tls = tls
  }

  /** One that is connected; when none can be, the first: a call on it fails with the reason. */
  client(): Client | Promise<Client> {
    const current = this.#client(this.#current)
    if (this.#addresses.length === 1) return current
    if (current.getChannel().getConnectivityState(false) === connectivityState.READY) return current
    this.#searching ??= this.#search().finally(() => {
      this.#searching = undefined
    })
    return this.#searching
  }

  close(): void {
    for (const client of this.#clients.values()) client.close()
    this.#clients.clear()
  }

  async #search(): Promise<Client> {
    for (let step = 0; step < this.#addresses.length; step++) {
      const at = (this.#current + step) % this.#addresses.length
      const client = this.#client(at)
      if (!(await this.#connects(client))) continue
      this.#current = at
      return client
    }
    return this.#client(this.#current)
  }

  #client(at: number): Client {
    const known = this.#clients.get(at)
    if (known) return known
    const address = this.#addresses[at]
    invariant(address !== undefined, 'addresses are looked up by their index')
    const made = secureClient(address, this.#tls, this.#options)
    this.#clients.set(at, made)
    return made
  }

  #connects(client: Client): Promise<boolean> {
    const channel = client.getChannel()
    const deadline = this.#clock.now() + patienceMs
    return new Promise((resolve) => {
      const look = (late?: Error) => {
        const state = channel.getConnectivityState(true)
        if (state === connectivityState.READY) resolve(true)
        else if (
          late ||
          state === connectivityState.SHUTDOWN ||
          state === connectivityState.TRANSIENT_FAILURE
        )
          resolve(false)
        else channel.watchConnectivityState(state, deadline, look)
      }
      look()
    })
  }
}
