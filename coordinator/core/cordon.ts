import type { Cordon } from './records.js'

/** The end of a sentence that begins with the node's name; empty: it is not cordoned. */
export function cordonSentence(cordon: Cordon | undefined): string {
  if (!cordon) return ''
  const what = cordon.kind === 'drain' ? 'is drained' : 'is cordoned'
  const by = cordon.by === '' ? '' : ` by ${cordon.by}`
  return `${what}${by}${cordon.reason === '' ? '' : ` (${cordon.reason})`}`
}
