import { type ChannelOptions, type Client, connectivityState } from '@grpc/grpc-js'
import type { Clock } from '../common/clock.js'
import { invariant } from '../common/errors.js'
import { secureClient, type TlsIdentity } from './secure-client.js'

/** How long one address may take to connect before the next is tried beside it, in milliseconds. */
const patienceMs = 1_000
/** After so long an address that neither connects nor fails is given up. */
const longestMs = 20_000

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

  /** Who answers through this one can't help now: the next call goes to another address, if there is one. */
  turnFrom(client: Client): void {
    if (this.#clients.get(this.#current) === client)
      this.#current = (this.#current + 1) % this.#addresses.length
  }

  /** Begins to connect, so that the first call finds it done or under way. */
  begin(): void {
    this.#client(this.#current).getChannel().getConnectivityState(true)
  }

  /** Resolves when a connection is there or was refused: a call on it tells which. `late`: neither in this time. */
  async settled(withinMs: number, signal: AbortSignal): Promise<'settled' | 'late'> {
    const current = this.#client(this.#current)
    if (current.getChannel().getConnectivityState(false) === connectivityState.READY) return 'settled'
    const over = new AbortController()
    const late = this.#clock
      .sleep(withinMs, AbortSignal.any([over.signal, signal]))
      .then(() => 'late' as const)
      .catch(() => 'settled' as const)
    const connecting = Promise.resolve(this.client())
      .then((client) => this.#connects(client))
      .then(() => 'settled' as const)
    const result = await Promise.race([connecting, late])
    over.abort()
    return result
  }

  close(): void {
    for (const client of this.#clients.values()) client.close()
    this.#clients.clear()
  }

  /** One address after another, each begun when the one before has failed or is slow; the first that connects is used. */
  async #search(): Promise<Client> {
    const attempts: Promise<number | undefined>[] = []
    const patience = new AbortController()
    try {
      for (let step = 0; step < this.#addresses.length; step++) {
        const at = (this.#current + step) % this.#addresses.length
        const attempt = this.#connects(this.#client(at)).then((connected) => (connected ? at : undefined))
        attempts.push(attempt)
        const slow = this.#clock.sleep(patienceMs, patience.signal).catch(() => undefined)
        const found = await Promise.race([firstOf(attempts), attempt, slow])
        if (found !== undefined) return this.#use(found)
      }
      return this.#use((await firstOf(attempts)) ?? this.#current)
    } finally {
      patience.abort()
    }
  }

  #use(at: number): Client {
    this.#current = at
    return this.#client(at)
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
    const deadline = this.#clock.now() + longestMs
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

/** The first that gives something; undefined when all have given nothing. */
async function firstOf(attempts: readonly Promise<number | undefined>[]): Promise<number | undefined> {
  const successes = attempts.map(async (attempt) => {
    const found = await attempt
    if (found === undefined) throw new Error('not connected')
    return found
  })
  return await Promise.any(successes).catch(() => undefined)
}
