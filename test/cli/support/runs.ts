/** A run as the API would send it, with what a test cares about. */
export function aRun(
  id: number,
  states: readonly (string | readonly [string, number])[],
  more: object = {},
): object {
  const start = Date.UTC(2024, 0, 2, 3, 4, 5)
  let at = start
  const entries = states.map((each) => {
    const [state, durationMs] = typeof each === 'string' ? [each, 0] : each
    const entry = { state: state.toUpperCase(), enteredAtMs: at, durationMs }
    at += durationMs
    return entry
  })
  return {
    id,
    creator: 'ada',
    state: entries.at(-1)?.state,
    states: entries,
    createdAtMs: start,
    attempt: 1,
    machineType: 'CPU',
    spec: { command: 'python train.py', machine: { typeName: 'CPU' }, environment: {} },
    ...more,
  }
}

export const pipeline = [
  'user_requested',
  'machine_requested',
  'building',
  'running',
  'saving',
  'pushing',
  'complete',
]

/** What Follow sends of a run from beginning to end, around these bytes of its log. */
export async function* wholeStory(id: number, log: Buffer, more: object = {}): AsyncGenerator<object> {
  const timed = pipeline.map((state) => (state === 'running' ? ([state, 6870.837] as const) : state))
  for (let count = 2; count <= 4; count++) yield { run: aRun(id, timed.slice(0, count), more) }
  yield { log: { attempt: 1, offset: 0, data: log } }
  for (let count = 5; count <= timed.length; count++) {
    yield { run: aRun(id, timed.slice(0, count), { exitCode: 0, logBytes: log.length, ...more }) }
  }
}
