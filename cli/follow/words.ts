import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import { type RunState, stateFromWire } from '../../proto/model/run-state.js'
import type { Style } from '../output/style.js'

// What states are called where a run is followed.

const emoji: Partial<Record<RunState, string>> = {
  complete: '🎉',
  failed: '💥',
  build_failed: '💥',
  mount_failed: '💥',
  killing: '💫',
  killed: '💀',
  stopping: '💫',
  stopped: '✋',
  interrupted: '✋',
}

export function emojiOf(state: RunState): string {
  return emoji[state] ?? '✨'
}

/** `Machine_Requested…` */
export function waitingTitle(state: RunState, style: Style): string {
  return state.replace(/(^|_)[a-z]/g, (letters) => letters.toUpperCase()) + style.ellipsis
}

/** How the last line about a run calls its end. */
export const endings: Partial<Record<RunState, string>> = {
  complete: 'complete',
  failed: 'failed',
  build_failed: 'failed while building',
  mount_failed: 'failed while mounting',
  killed: 'killed',
  stopped: 'stopped',
  interrupted: 'interrupted',
}

const waitingStates: ReadonlySet<RunState> = new Set([
  'user_requested',
  'machine_requested',
  'building',
  'mounting',
  'saving',
  'pushing',
])

/** States in which the run does nothing that its owner could see. */
export function isWaiting(state: RunState): boolean {
  return waitingStates.has(state)
}

/** What a waiting run waits for: `waiting for a V100 machine, position 3`; empty when there is nothing to say. */
export function waitingFor(run: Run__Output): string {
  const state = stateFromWire(run.state)
  if (!isWaiting(state)) return ''
  const reason = run.reason.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase())
  if (state !== 'machine_requested') return reason
  const type = run.machineType || run.spec?.machine?.typeName || 'CPU'
  return withPosition(reason || `waiting for a ${type} machine`, run.queuePosition)
}

/** Where a long reason goes into details, so that the position is not what the end of a terminal's line cuts off. */
function withPosition(reason: string, position: number): string {
  if (position === 0 || /position \d/.test(reason)) return reason
  const details = reason.search(/[,:;]/)
  const end = details === -1 ? reason.length : details
  return `${reason.slice(0, end)}, position ${position}${reason.slice(end)}`
}

/** Milliseconds spent in Running and what followed it before Saving, over all attempts; undefined if it never ran. */
export function runTimeMs(run: Run__Output): number | undefined {
  let total: number | undefined
  run.states.forEach((entry, index) => {
    const state = stateFromWire(entry.state)
    if (state === 'running' || (state === 'stopping' && total !== undefined)) {
      const leftAt = run.states[index + 1]?.enteredAtMs ?? entry.enteredAtMs
      total = (total ?? 0) + (entry.durationMs || Math.max(0, leftAt - entry.enteredAtMs))
    }
  })
  return total
}
