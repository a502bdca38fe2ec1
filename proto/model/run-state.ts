/** The states of a run, as spec and users write them. The order is the pipeline's. */
export const runStates = [
  'user_requested',
  'machine_requested',
  'building',
  'mounting',
  'running',
  'saving',
  'pushing',
  'stopping',
  'killing',
  'complete',
  'failed',
  'build_failed',
  'mount_failed',
  'killed',
  'stopped',
  'interrupted',
] as const

export type RunState = (typeof runStates)[number]

const final: ReadonlySet<RunState> = new Set([
  'complete',
  'failed',
  'build_failed',
  'mount_failed',
  'killed',
  'stopped',
  'interrupted',
])

/** A final state never changes. */
export function isFinal(state: RunState): boolean {
  return final.has(state)
}

/** Wire name of a state: `MACHINE_REQUESTED`. */
export function stateToWire(state: RunState): string {
  return state.toUpperCase()
}

/** Of a wire name; throws on one that this version doesn't know. */
export function stateFromWire(name: string): RunState {
  const state = name.toLowerCase()
  const known = runStates.find((candidate) => candidate === state)
  if (known === undefined) throw new Error(`Unknown run state ${name}`)
  return known
}
