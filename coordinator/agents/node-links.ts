import type { Clock } from '../../common/clock.js'
import type { AttemptId } from '../../proto/model/attempt.js'
import type { Order, ToAgent } from '../../proto/model/link.js'

/** The leader's end of one link, as far as others need it. */
export interface NodeLink {
  readonly nodeId: string
  /** The hello has been answered. */
  readonly ready: boolean
  /** The node was asked to describe this attempt and has not yet. */
  awaits(id: AttemptId): boolean
  send(message: ToAgent): void
}

/** Which node has a link now, and when each was last heard. */
export class NodeLinks {
  readonly #clock: Clock
  readonly #suspectAfterMs: number
  readonly #startedAt: number
  readonly #links = new Map<string, NodeLink>()
  readonly #heardAt = new Map<string, number>()

  constructor(clock: Clock, settings: { readonly suspectAfterMs: number }) {
    this.#clock = clock
    this.#suspectAfterMs = settings.suspectAfterMs
    this.#startedAt = clock.monotonic()
  }

  /** This link is the node's from now on; an older one of the same node is no longer listened to. */
  open(link: NodeLink): void {
    this.#links.set(link.nodeId, link)
  }

  /** Says whether it was the node's. */
  close(link: NodeLink): boolean {
    return this.isOpen(link) && this.#links.delete(link.nodeId)
  }

  /** The node's link, if there is one, is not listened to any more. */
  drop(nodeId: string): void {
    this.#links.delete(nodeId)
  }

  isOpen(link: NodeLink): boolean {
    return this.#links.get(link.nodeId) === link
  }

  isConnected(nodeId: string): boolean {
    return this.#links.get(nodeId)?.ready ?? false
  }

  /** Whether the node may run this attempt without having said so yet. */
  mayRun(nodeId: string, id: AttemptId): boolean {
    return this.#links.get(nodeId)?.awaits(id) ?? true
  }

  /** A hello or a heartbeat came. */
  heard(nodeId: string): void {
    this.#heardAt.set(nodeId, this.#clock.monotonic())
  }

  /** How long ago the node was heard by this leader; undefined: never. */
  lastHeardMs(nodeId: string): number | undefined {
    const at = this.#heardAt.get(nodeId)
    return at === undefined ? undefined : this.#clock.monotonic() - at
  }

  /** For how long nothing was heard, counted from the beginning of the term where nothing ever was. */
  unheardMs(nodeId: string): number {
    return this.#clock.monotonic() - (this.#heardAt.get(nodeId) ?? this.#startedAt)
  }

  /** The same, but 0 while the node counts as reachable. */
  silentMs(nodeId: string): number {
    const unheard = this.unheardMs(nodeId)
    return unheard > this.#suspectAfterMs ? unheard : 0
  }

  /** To a node without a link nothing is sent: its next hello is compared with what is wanted. */
  order(nodeId: string, orders: readonly Order[]): void {
    const link = this.#links.get(nodeId)
    if (link?.ready && orders.length > 0) link.send({ kind: 'orders', orders })
  }
}
