import type { RunState } from '../../proto/model/run-state.js'
import { isFinal } from '../../proto/model/run-state.js'
import type { RunView } from '../core/records.js'

const afterCommand = (state: RunState): boolean => state === 'saving' || state === 'pushing' || isFinal(state)

/** Stop and kill may come at any time: they say nothing about where in its life a run is. */
const steered = (state: RunState): boolean => state === 'stopping' || state === 'killing'

const beforeCommand: ReadonlySet<RunState> = new Set([
  'user_requested',
  'machine_requested',
  'building',
  'mounting',
])

/** Bytes of a log can be here before the report that their attempt is running: a reader sees that first. */
export function mayShowLog(run: RunView): boolean {
  return !beforeCommand.has(run.state)
}

/** The run as it was when its command ended: what a reader sees before the last of its log. undefined: it goes on. */
export function beforeLogEnds(run: RunView): RunView | undefined {
  const lastBefore = run.states.findLastIndex(({ state }) => !afterCommand(state) && !steered(state))
  const end = run.states.findIndex(({ state }, index) => index > lastBefore && afterCommand(state))
  const state = run.states[end - 1]?.state
  if (end < 0 || state === undefined) return undefined
  const states = run.states.slice(0, end)
  return { ...run, state, states, exitCode: undefined, outOfMemory: false, reason: '', failedStep: undefined }
}

/** Whether a reader who has seen `before` learns nothing from `after`. */
export function sameForReader(before: RunView, after: RunView): boolean {
  return (
    before.states.length === after.states.length &&
    before.state === after.state &&
    before.reason === after.reason &&
    before.queuePosition === after.queuePosition &&
    before.attempt === after.attempt &&
    before.nodeUnreachableMs > 0 === after.nodeUnreachableMs > 0
  )
}
