import { RpcError } from '../../common/errors.js'
import { isFinal } from '../../proto/model/run-state.js'
import { prepareOrders } from '../agents/orders.js'
import type { User } from '../core/records.js'
import { ask } from '../core/run-changes.js'
import { changeRun, type FoundRun, lookUpAll } from './edit.js'
import type { RunEntry } from './run-book.js'
import type { Term } from './term.js'
import type { SteerAction, Steered } from './types.js'

type Outcome = keyof Steered

/** Stops or kills runs, or archives them; each id is judged by itself. Answers after all of it is committed. */
export function steerRuns(
  term: Term,
  action: SteerAction,
  user: User,
  ids: readonly number[],
): Promise<Steered> {
  return action === 'archive' ? archiveRuns(term, user, ids) : askRuns(term, action, user, ids)
}

/** Members steer their own runs, admins everyone's, viewers none. */
export function maySteer(user: User, creator: string): boolean {
  return user.role === 'admin' || (user.role === 'member' && user.name === creator)
}

async function askRuns(
  term: Term,
  action: 'stop' | 'kill',
  user: User,
  ids: readonly number[],
): Promise<Steered> {
  term.writes.checkRoom()
  const steered = noneSteered()
  const asked: RunEntry[] = []
  for (const id of new Set(ids)) {
    const outcome = askOne(term, action, user, id)
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

function askOne(term: Term, action: 'stop' | 'kill', user: User, id: number): Outcome | RunEntry {
  const entry = term.memory.runs.get(id)
  if (!entry) return term.archive.has(id) ? 'alreadyFinished' : 'unknown'
  if (!maySteer(user, entry.origin.creator)) return 'notPermitted'
  const record = ask(entry.record, { intent: action, by: user.name }, term.memory.runs.now(entry))
  if (!record) return 'alreadyFinished'
  term.memory.runs.set(entry, record)
  return entry
}

/** FAILED_PRECONDITION: one of them has not finished; then none of them is archived. */
async function archiveRuns(term: Term, user: User, ids: readonly number[]): Promise<Steered> {
  const steered = noneSteered()
  const archived: FoundRun[] = []
  for (const [id, found] of await lookUpAll(term, ids)) {
    const outcome = !found ? 'unknown' : maySteer(user, found.origin.creator) ? 'done' : 'notPermitted'
    steered[outcome].push(id)
    if (!found || outcome !== 'done') continue
    if (!isFinal(found.record.state))
      throw new RpcError(
        'FAILED_PRECONDITION',
        `Run ${id} has not finished; only finished runs are archived.`,
      )
    archived.push(found)
  }
  term.writes.checkRoom()
  await term.writes.commitEach(archived.flatMap((found) => changeRun(term, found, { archived: true })))
  return steered
}

function noneSteered(): Record<Outcome, number[]> {
  return { done: [], alreadyFinished: [], unknown: [], notPermitted: [] }
}
