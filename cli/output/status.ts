import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import { isFinal, type RunState, stateFromWire } from '../../proto/model/run-state.js'
import { goDuration } from './duration.js'
import { coloured, type Style } from './style.js'

const names: Partial<Record<RunState, string>> = {
  user_requested: 'Requested',
  machine_requested: 'Queued',
  build_failed: 'Build Failed',
  mount_failed: 'Mount Failed',
}

/** As `spell ps` shows it: `*Running`, `Complete (0)`, `Running (node-3 unreachable for 4m0s)`. */
export function statusOf(run: Run__Output): string {
  const state = stateFromWire(run.state)
  const name = names[state] ?? state.charAt(0).toUpperCase() + state.slice(1)
  const active = !isFinal(state) && state !== 'user_requested' && state !== 'machine_requested'
  return `${active ? '*' : ''}${name}${exitCodeOf(run)}${unreachable(run)}`
}

export function colouredStatus(run: Run__Output, style: Style): string {
  const state = stateFromWire(run.state)
  if (isFinal(state)) return statusOf(run)
  return coloured(
    style,
    state === 'user_requested' || state === 'machine_requested' ? 'yellow' : 'green',
    statusOf(run),
  )
}

/** As `spell info` shows it: `complete (0)`. */
export function plainStatus(run: Run__Output): string {
  return `${stateFromWire(run.state)}${exitCodeOf(run)}${unreachable(run)}`
}

function exitCodeOf(run: Run__Output): string {
  return run.exitCode === undefined ? '' : ` (${run.exitCode}${run.outOfMemory ? ', out of memory' : ''})`
}

function unreachable(run: Run__Output): string {
  if (run.nodeUnreachableMs === 0 || isFinal(stateFromWire(run.state))) return ''
  const seconds = Math.max(1, Math.round(run.nodeUnreachableMs / 1000))
  return ` (${run.nodeName || run.nodeId} unreachable for ${goDuration(seconds * 1000)})`
}
