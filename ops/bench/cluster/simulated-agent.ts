import { join } from 'node:path'
import { backoffMs } from '../../../common/backoff.js'
import { type Clock, systemClock } from '../../../common/clock.js'
import { RpcError } from '../../../common/errors.js'
import { makeLog } from '../../../common/log.js'
import { systemRandom } from '../../../common/random.js'
import { KnownAddresses } from '../../../node-agent/known-addresses.js'
import { Addresses } from '../../../node-agent/link/addresses.js'
import { KeptChannels } from '../../../node-agent/link/kept-channels.js'
import { connectTimeoutMs } from '../../../node-agent/link/link.js'
import { Channel, type Conversation } from '../../../proto/channel.js'
import { fromAgentToWire, toAgentFromWire } from '../../../proto/convert/link.js'
import type { FromLeader__Output } from '../../../proto/gen/spell/v1/FromLeader.js'
import { type AttemptId, attemptKey, type Report, type ReportEvent } from '../../../proto/model/attempt.js'
import type { FromAgent, InventoryGpu, Order } from '../../../proto/model/link.js'
import { retryAfterMs } from '../../../proto/rpc-error.js'
import type { TlsIdentity } from '../../../proto/secure-client.js'
import { type Method, method } from '../../../proto/wire.js'

const linkMethod: Method<unknown, FromLeader__Output> = method('Agents', 'Link')
const backoff = { firstMs: 100, maxMs: 10_000 }
/** As in node-agent/settings.ts: how long an answer to the hello may take, and how many heartbeats may go unanswered. */
const patience = { helloMs: 10_000, heartbeats: 5 }
const gpusEach = 8

export interface SimulatedAgentSettings {
  readonly name: string
  /** Agents' addresses of coordinators. */
  readonly addresses: readonly string[]
  readonly tls: TlsIdentity
  /** For what a node agent keeps of coordinators' addresses. */
  readonly folder: string
}

/** What happens to the agent; all times are those of this process's monotonic clock, in milliseconds. */
export interface SimulatedAgentEvents {
  linked(name: string): void
  unlinked(name: string): void
  /** From the heartbeat's writing to its acknowledgement. */
  heartbeat(delayMs: number): void
  ordered(runId: number): void
}

/**
 * As much of a node agent as the leader can tell: a TLS connection and a link of its own, eight GPUs, heartbeats, and runs
 * that end as soon as they begin, each with all of its reports. What it holds it names in every hello until it is answered.
 */
export class SimulatedAgent {
  readonly #settings: SimulatedAgentSettings
  readonly #events: SimulatedAgentEvents
  readonly #clock: Clock = systemClock
  readonly #addresses: Addresses
  readonly #held = new Map<string, AttemptId>()
  readonly #sentAt = new Map<number, number>()
  #sequence = 0
  #highestRunId = 0
  #generation = ''

  constructor(settings: SimulatedAgentSettings, events: SimulatedAgentEvents) {
    this.#settings = settings
    this.#events = events
    const file = join(settings.folder, `${settings.name}.json`)
    this.#addresses = new Addresses(
      new KnownAddresses(settings.addresses, file, makeLog('simulated', 'error')),
    )
  }

  /** Keeps a link until the signal aborts; looks for the leader as a node agent does (node-agent/link/link.ts). */
  async run(signal: AbortSignal): Promise<void> {
    const addresses = this.#addresses
    const kept = new KeptChannels(
      (address) => new Channel({ addresses: [address], tls: this.#settings.tls, clock: this.#clock }),
    )
    for (let failures = 0; !signal.aborted; failures += 1) {
      const address = addresses.next()
      const channel = kept.take(address)
      const error = await this.#link({ address, channel, connectMs: connectTimeoutMs(failures) }, kept)
      const leader = error.trailers['leader-address']
      const answered = leader !== undefined || retryAfterMs(error) !== undefined
      if (answered) kept.keep(address, channel)
      else channel.close()
      if (answered || error.code === 'OK') failures = 0
      if (leader && addresses.redirect(leader)) continue
      if (answered) addresses.stay(address)
      const waitMs = answered
        ? (retryAfterMs(error) ?? 500) * (0.75 + systemRandom.next() / 2)
        : backoffMs(backoff, failures, systemRandom)
      await this.#clock.sleep(waitMs, signal).catch(() => undefined)
    }
  }

  /** Resolves when the link has ended, with OK where it had been answered. */
  async #link(
    {
      address,
      channel,
      connectMs,
    }: { readonly address: string; readonly channel: Channel; readonly connectMs: number },
    kept: KeptChannels,
  ): Promise<RpcError> {
    const ended = new AbortController()
    let linked = false
    try {
      await channel.connect(connectMs, ended.signal)
      const late = this.#clock.timer(patience.helloMs, () => ended.abort(new RpcError('UNAVAILABLE', 'late')))
      const stream = await channel.conversation<unknown, FromLeader__Output>(linkMethod, {
        signal: ended.signal,
      })
      await stream.write(fromAgentToWire(this.#hello()))
      for await (const wire of stream) {
        const message = toAgentFromWire(wire)
        if (message.kind === 'hello') {
          linked = true
          late.cancel()
          kept.close()
          this.#generation = message.generation
          this.#events.linked(this.#settings.name)
          await this.#addresses.found(address, message.coordinatorAddresses)
          for (const verdict of message.verdicts) await this.#take(verdict, stream)
          this.#beat(stream, message.heartbeatIntervalMs, ended)
        } else if (message.kind === 'heartbeat') this.#acknowledged(message.sequence)
        else if (message.kind === 'orders')
          for (const order of message.orders) await this.#take(order, stream)
        else await this.#forget(message.answers, stream)
      }
      return new RpcError('OK', 'The link has ended.')
    } catch (error) {
      if (!linked && error instanceof RpcError) return error
      if (!linked) throw error
      return new RpcError('OK', 'The link has ended.', { cause: error })
    } finally {
      ended.abort()
      if (linked) this.#events.unlinked(this.#settings.name)
    }
  }

  #hello(): FromAgent {
    const { name } = this.#settings
    this.#sentAt.clear()
    return {
      kind: 'hello',
      schemaVersion: 1,
      version: 'simulated',
      nodeId: name,
      name,
      machineId: `machine of ${name}`,
      bootId: 'boot',
      inventory: {
        runtime: 'dummy',
        runtimeVersion: '1',
        cpus: 64,
        memoryBytes: 512 * 1024 ** 3,
        diskFreeBytes: 10 ** 12,
        gpus: Array.from({ length: gpusEach }, (_, index) => gpu(name, index)),
        warnings: [],
      },
      attempts: [...this.#held.values()].map((id) => ({
        id,
        lastReport: events.length,
        specSha256: '',
        released: true,
        ended: true,
      })),
      highestRunId: this.#highestRunId,
      generation: this.#generation,
    }
  }

  #beat(stream: Conversation<unknown>, everyMs: number, link: AbortController): void {
    const beat = () => {
      if (link.signal.aborted) return
      if (this.#sentAt.size > patience.heartbeats) return link.abort(new RpcError('UNAVAILABLE', 'silent'))
      this.#sequence += 1
      this.#sentAt.set(this.#sequence, this.#clock.monotonic())
      stream.write(fromAgentToWire({ kind: 'heartbeat', sequence: this.#sequence })).catch(() => undefined)
      this.#clock.timer(everyMs, beat)
    }
    // Agents that link at one moment do not beat at one moment for ever: real ones drift apart too.
    this.#clock.timer(systemRandom.next() * everyMs, beat)
  }

  #acknowledged(sequence: number): void {
    const sentAt = this.#sentAt.get(sequence)
    this.#sentAt.delete(sequence)
    if (sentAt !== undefined) this.#events.heartbeat(this.#clock.monotonic() - sentAt)
  }

  /** Whatever is wanted of an attempt, it is over already, and its reports say so. */
  async #take({ id, wanted }: Order, stream: Conversation<unknown>): Promise<void> {
    if (wanted === 'forget') return await this.#let(id, stream)
    if (wanted === 'start') {
      this.#events.ordered(id.runId)
      this.#highestRunId = Math.max(this.#highestRunId, id.runId)
      this.#held.set(attemptKey(id), id)
    }
    const reports = events.map((event, index): Report => {
      return { id, number: index + 1, durationMs: 1, released: event.kind !== 'reached', event }
    })
    await stream.write(fromAgentToWire({ kind: 'reports', reports }))
  }

  async #forget(
    answers: readonly { readonly id: AttemptId; readonly number: number }[],
    stream: Conversation<unknown>,
  ): Promise<void> {
    for (const { id, number } of answers) if (number === events.length) await this.#let(id, stream)
  }

  async #let(id: AttemptId, stream: Conversation<unknown>): Promise<void> {
    if (this.#held.delete(attemptKey(id)))
      await stream.write(fromAgentToWire({ kind: 'forgotten', ids: [id] }))
  }
}

/** All that becomes of a run here. */
const events: readonly ReportEvent[] = [
  { kind: 'reached', state: 'building', dockerImageDigest: undefined },
  { kind: 'reached', state: 'running', dockerImageDigest: undefined },
  { kind: 'ended', exitCode: 0, outOfMemory: false, endedBy: 'itself', logBytes: 0, reason: '' },
  { kind: 'saved', manifestSha256: undefined, files: 0, totalBytes: 0 },
  { kind: 'finished' },
]

function gpu(name: string, index: number): InventoryGpu {
  return {
    uuid: `GPU-${name}-${index}`,
    model: 'Tesla V100-SXM2-16GB',
    memoryBytes: 16 * 1024 ** 3,
    unusableReason: '',
    parentUuid: '',
  }
}
