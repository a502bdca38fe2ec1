import type { NodeDetails__Output } from '../../proto/gen/spell/v1/NodeDetails.js'
import { stateFromWire } from '../../proto/model/run-state.js'

const namedAtMost = 10

/** What is still on the node: `run 3 (running), run 4 (saving)`; empty: nothing. */
export function runsNamed({ runs }: NodeDetails__Output): string {
  const named = runs
    .slice(0, namedAtMost)
    .map(({ runId, state, current }) => `run ${runId} (${current ? stateFromWire(state) : 'an old attempt'})`)
  const rest = runs.length - named.length
  return [...named, ...(rest > 0 ? [`${rest} more`] : [])].join(', ')
}
