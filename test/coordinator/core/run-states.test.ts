import test from 'ava'
import { nextState, type RunEventName, runTable } from '../../../coordinator/core/run-states.js'
import { isFinal, type RunState, runStates } from '../../../proto/model/run-state.js'

const walk = test.macro<[start: RunState, events: readonly RunEventName[], states: readonly RunState[]]>(
  (t, start, events, states) => {
    let state = start
    const seen = events.map((event) => {
      state = nextState(state, event) ?? state
      return state
    })
    t.deepEqual(seen, states)
  },
)

test(
  'a run with mounts goes through every state',
  walk,
  'user_requested',
  [
    ...(['slot_free', 'assigned', 'reached_building', 'reached_mounting', 'reached_running'] as const),
    ...(['ended', 'saved', 'finished'] as const),
  ],
  [
    ...(['machine_requested', 'machine_requested', 'building', 'mounting', 'running'] as const),
    ...(['saving', 'pushing', 'complete'] as const),
  ],
)
test('a run without mounts skips Mounting', walk, 'building', ['reached_running'], ['running'])
test(
  'a stopped run saves and pushes',
  walk,
  'running',
  ['stop_asked', 'ended', 'saved', 'finished_stopped'],
  ['stopping', 'saving', 'pushing', 'stopped'],
)
test(
  'stop before the command runs is a kill',
  walk,
  'building',
  ['stop_asked', 'killed'],
  ['killing', 'killed'],
)
test('a run that no node has is killed at once', walk, 'machine_requested', ['withdrawn'], ['killed'])
test(
  'a kill outruns a stop',
  walk,
  'stopping',
  ['kill_asked', 'ended', 'saved', 'finished'],
  ['killing', 'killing', 'killing', 'killed'],
)
test(
  'a kill of a run that is being saved ends it',
  walk,
  'saving',
  ['kill_asked', 'killed'],
  ['killing', 'killed'],
)
test('a stop of a run that is being saved changes nothing', walk, 'saving', ['stop_asked'], ['saving'])
test('a failed build', walk, 'building', ['build_failure'], ['build_failed'])
test('a failed mount', walk, 'mounting', ['mount_failure'], ['mount_failed'])
test('a lost machine', walk, 'running', ['lost'], ['interrupted'])
test(
  'a repeated run queues again',
  walk,
  'running',
  ['repeat', 'reached_building'],
  ['machine_requested', 'building'],
)
test('a run that is lost while it is killed was killed', walk, 'killing', ['lost'], ['killed'])

test('final states have empty rows, others lead somewhere', (t) => {
  for (const state of runStates) t.is(Object.keys(runTable[state]).length === 0, isFinal(state), state)
})

test('progress never goes back', (t) => {
  const pipeline: readonly RunState[] = ['building', 'mounting', 'running', 'saving', 'pushing']
  const steps = ['reached_building', 'reached_mounting', 'reached_running', 'ended', 'saved'] as const
  for (const [from, state] of pipeline.entries())
    for (const [to, event] of steps.entries())
      t.is(nextState(state, event), to > from ? pipeline[to] : undefined, `${state} ${event}`)
})

test('every state that is not final can be reached and can end', (t) => {
  const reached = new Set<RunState>(['user_requested'])
  for (let size = 0; size !== reached.size; ) {
    size = reached.size
    for (const state of [...reached]) for (const next of Object.values(runTable[state])) reached.add(next)
  }
  t.deepEqual([...reached].sort(), [...runStates].sort())
})
