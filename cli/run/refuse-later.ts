import { RpcError } from '../../common/errors.js'
import { notYet } from '../../proto/model/not-yet.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import type { RunOptions } from './options.js'

/**
 * Throws what the coordinator would say about an option that this version does not have: whoever gave it is not asked
 * questions first, nor does code go on its way.
 */
export function refuseLater(spec: RunSpec, options: RunOptions): void {
  // One machine is what a run has anyway; whoever says so still asks for the option.
  const asked = options.distributed === undefined ? spec : { ...spec, nodeCount: 2 }
  for (const refuse of notYet) {
    const sentence = refuse(asked)
    if (sentence !== undefined) throw new RpcError('UNIMPLEMENTED', sentence)
  }
}
