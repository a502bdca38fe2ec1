import type { Assignment, AttemptId, Report } from '../../proto/model/attempt.js'
import type { AgentHello, AttemptLine, Inventory } from '../../proto/model/link.js'

/**
 * The leader's side of one link to one node. Messages are given in the order they came; answers and orders go out through
 * the `send` it was made with, after what they tell is committed. A method that throws means: end this link.
 */
export interface AgentSession {
  /** The first call. FAILED_PRECONDITION: a version that can't be met, naming the one wanted. */
  hello(hello: AgentHello): void
  heartbeat(sequence: number): void
  reports(reports: readonly Report[]): void
  /** The answer to the order `describe`. */
  described(assignment: Assignment): void
  inventory(inventory: Inventory): void
  lines(lines: readonly AttemptLine[]): void
  forgotten(attempts: readonly AttemptId[]): void
  /** The link is gone. Safe to call twice, and after a newer session took this node over. */
  detach(): void
}
