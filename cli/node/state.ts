import type { NodeInfo__Output } from '../../proto/gen/spell/v1/NodeInfo.js'
import { localTime } from '../output/dates.js'
import { goDuration } from '../output/duration.js'

/** As the column STATE shows it: `connected`, `connected, draining`, `unreachable for 4m0s`. */
export function nodeState(node: NodeInfo__Output): string {
  if (node.givenUp) return 'given up'
  const heard = node.connected ? 'connected' : awayFor(node)
  const cordon = cordonWord(node)
  return cordon === '' ? heard : `${heard}, ${cordon}`
}

function awayFor({ lastHeardMs }: NodeInfo__Output): string {
  if (lastHeardMs === 0) return 'not heard yet'
  return `unreachable for ${goDuration(Math.round(lastHeardMs / 1000) * 1000)}`
}

function cordonWord({ cordon, runIds }: NodeInfo__Output): string {
  if (!cordon) return ''
  if (cordon.kind !== 'CORDON_DRAIN') return 'cordoned'
  return runIds.length > 0 ? 'draining' : 'drained'
}

/** Who has cordoned it, when and why; empty: nobody has. */
export function cordonStory({ cordon }: NodeInfo__Output): string {
  if (!cordon) return ''
  const who = cordon.by === '' ? 'by the cluster' : `by ${cordon.by}`
  const what = cordon.kind === 'CORDON_DRAIN' ? 'drained' : 'cordoned'
  return `${what} ${who} at ${localTime(cordon.atMs)}${cordon.reason === '' ? '' : `: ${cordon.reason}`}`
}
