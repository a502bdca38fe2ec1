import { prepareOrders } from '../agents/orders.js'
import { madeTypeFor, repeatsByDefault } from '../core/made-types.js'
import type { Placed } from '../core/placement.js'
import { assign } from '../core/run-changes.js'
import type { RunEntry } from './run-book.js'
import type { Term } from './term.js'

/** Decisions in one unit; more follow in the next. */
const decisionsInUnit = 50

/** Gives every run that can start to its node. Orders go out after the decisions are committed. */
export function placeRuns(term: Term): void {
  for (;;) {
    const placed = term.memory.runs.placement.plan(decisionsInUnit)
    if (placed.length === 0) return
    const sendOrders = prepareOrders(
      term,
      placed.flatMap((decision) => assigned(term, decision)),
    )
    term.parts.failpoints.reach('assign.before-commit')
    term.writes.commit().then(
      () => {
        term.parts.failpoints.reach('assign.after-commit')
        sendOrders()
      },
      () => {},
    )
    if (placed.length < decisionsInUnit) return
  }
}

function assigned(term: Term, decision: Placed): readonly RunEntry[] {
  const { runs } = term.memory
  const entry = runs.get(decision.runId)
  if (!entry) return []
  runs.set(
    entry,
    assign(entry.record, decision.place, {
      replaceable: isReplaceable(term, entry),
      lostAfterMs: term.settings.lostAfterMs,
      machineType: decision.demand.typeName,
    }),
  )
  return [entry]
}

/** As the run says, or else its machine type. */
function isReplaceable({ memory }: Term, { origin }: RunEntry): boolean {
  const { autoResume } = origin.spec.limits
  if (autoResume !== 'default') return autoResume === 'on'
  return repeatsByDefault(madeTypeFor(origin.spec.machine, memory.machineTypes))
}
