import { RpcError } from '../../common/errors.js'
import { isFinal } from '../../proto/model/run-state.js'
import { prepareOrders } from '../agents/orders.js'
import type { User } from '../core/records.js'
import { ask } from '../core/run-changes.js'
import { changeRun, lookUp } from './edit.js'
import type { RunEntry } from './run-book.js'
import type { Term } from './term.js'
import type { SteerAction, Steered } from './types.js'

type Outcome = keyof Steered

/** Stops, kills or archives runs; each id is judged by itself. Answers after all of it is committed. */
export async function steerRuns(
  term: Term,
  action: SteerAction,
  user: User,
  ids: readonly number[],
): Promise<Steered> {
  const steered = { done: [], alreadyFinished: [], unknown: [], notPermitted: [] } as Record<
    Outcome,
    number[]
  >
  const asked: RunEntry[] = []
  for (const id of new Set(ids)) {
    const outcome = action === 'archive' ? await archiveOne(term, user, id) : askOne(term, action, user, id)
    if (typeof outcome === 'string') steered[outcome].push(id)
    else {
      asked.push(outcome)
      steered.done.push(id)
    }
  }
  const sendOrders = prepareOrders(term, asked)
  term.parts.failpoints.reach('steer.before-commit')
  const committed = term.writes.commit()
  for (const entry of asked) term.archive.consider(entry)
  term.wake()
  await committed
  term.parts.failpoints.reach('steer.after-commit')
  sendOrders()
  return steered
}

/** Members steer their own runs, admins everyone's, viewers none. */
export function maySteer(user: User, creator: string): boolean {
  return user.role === 'admin' || (user.role === 'member' && user.name === creator)
}

function askOne(term: Term, action: 'stop' | 'kill', user: User, id: number): Outcome | RunEntry {
  const entry = term.memory.runs.get(id)
  if (!entry) return term.archive.has(id) ? 'alreadyFinished' : 'unknown'
  if (!maySteer(user, entry.origin.creator)) return 'notPermitted'
  const record = ask(entry.record, action, term.memory.runs.now(entry))
  if (!record) return 'alreadyFinished'
  term.memory.runs.set(entry, record)
  return entry
}

async function archiveOne(term: Term, user: User, id: number): Promise<Outcome> {
  const found = await lookUp(term, id)
  if (!found) return 'unknown'
  if (!maySteer(user, found.origin.creator)) return 'notPermitted'
  if (!isFinal(found.record.state))
    throw new RpcError('FAILED_PRECONDITION', `Run ${id} has not finished; only finished runs are archived.`)
  term.writes.post(changeRun(term, found, { archived: true }))
  return 'done'
}
