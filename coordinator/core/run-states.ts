import { isFinal, type RunState, runStates } from '../../proto/model/run-state.js'

// The life of a run: which event leads from which state to which. A cell that names its own row's state takes the event
// in and changes nothing. An event without a cell is refused. Nothing else sets a state.
//
// Rows of final states are empty: a final state never changes. Progress may skip states (no mounts, or reports that were
// answered by a leader whose etcd was then restored from an older backup) but never goes back.

export type RunEventName =
  /** The user's number of concurrent runs is below the limit again. */
  | 'slot_free'
  /** Stop or kill of a run that no node has. */
  | 'withdrawn'
  /** A node was chosen; the state changes when that node says so. */
  | 'assigned'
  | 'reached_building'
  | 'reached_mounting'
  | 'reached_running'
  /** By its owner, of a run that a node has. */
  | 'stop_asked'
  | 'kill_asked'
  /** The command has ended, by whatever cause. */
  | 'ended'
  | 'saved'
  /** The pipeline is through, after the command ended by itself. */
  | 'finished'
  /** The pipeline is through, after the command was stopped. */
  | 'finished_stopped'
  | 'build_failure'
  | 'mount_failure'
  | 'failure'
  /** The node carried out a kill. */
  | 'killed'
  /** The attempt is gone with its machine and is not repeated. */
  | 'lost'
  /** The attempt is gone with its machine and the run goes back to the queue for its next one. */
  | 'repeat'

type Row = Readonly<Partial<Record<RunEventName, RunState>>>

const ends = {
  build_failure: 'build_failed',
  mount_failure: 'mount_failed',
  failure: 'failed',
  killed: 'killed',
  lost: 'interrupted',
} as const satisfies Row

const progress = {
  ended: 'saving',
  saved: 'pushing',
  finished: 'complete',
  finished_stopped: 'stopped',
} as const satisfies Row

/** Before the command runs a stop is a kill: there is nothing to save. */
const notYetRunning = {
  ...ends,
  ...progress,
  stop_asked: 'killing',
  kill_asked: 'killing',
  repeat: 'machine_requested',
} as const satisfies Row

export const runTable: Readonly<Record<RunState, Row>> = {
  user_requested: { slot_free: 'machine_requested', withdrawn: 'killed' },
  machine_requested: {
    ...notYetRunning,
    withdrawn: 'killed',
    assigned: 'machine_requested',
    reached_building: 'building',
    reached_mounting: 'mounting',
    reached_running: 'running',
  },
  building: { ...notYetRunning, reached_mounting: 'mounting', reached_running: 'running' },
  mounting: { ...notYetRunning, reached_running: 'running' },
  running: {
    ...ends,
    ...progress,
    stop_asked: 'stopping',
    kill_asked: 'killing',
    repeat: 'machine_requested',
  },
  stopping: { ...ends, ...progress, stop_asked: 'stopping', kill_asked: 'killing' },
  saving: {
    ...ends,
    saved: 'pushing',
    finished: 'complete',
    finished_stopped: 'stopped',
    stop_asked: 'saving',
    kill_asked: 'killing',
    repeat: 'machine_requested',
  },
  pushing: {
    ...ends,
    finished: 'complete',
    finished_stopped: 'stopped',
    stop_asked: 'pushing',
    kill_asked: 'killing',
    repeat: 'machine_requested',
  },
  killing: {
    reached_building: 'killing',
    reached_mounting: 'killing',
    reached_running: 'killing',
    stop_asked: 'killing',
    kill_asked: 'killing',
    ended: 'killing',
    saved: 'killing',
    finished: 'killed',
    finished_stopped: 'killed',
    build_failure: 'killed',
    mount_failure: 'killed',
    failure: 'killed',
    killed: 'killed',
    lost: 'killed',
  },
  complete: {},
  failed: {},
  build_failed: {},
  mount_failed: {},
  killed: {},
  stopped: {},
  interrupted: {},
}

/** undefined: refused. */
export function nextState(state: RunState, event: RunEventName): RunState | undefined {
  return runTable[state][event]
}

/** States in which a run counts against its user's limit of concurrent runs. */
export const concurrentStates: ReadonlySet<RunState> = new Set(
  runStates.filter((state) => !isFinal(state) && state !== 'user_requested'),
)
