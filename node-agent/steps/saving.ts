import { existsSync } from 'node:fs'
import { messageOf, RpcError } from '../../common/errors.js'
import type { Attempt } from '../attempts/attempt.js'
import { scanOutputs } from '../outputs/scan.js'
import { type SavedOutputs, sendOutputs } from '../outputs/send.js'
import { mayPass, retry } from '../retry.js'
import { nothingToTakeDown, type Step } from './step.js'
import type { StepParts } from './step-parts.js'

/** Brings what the run has made to the store. While that is away or full it waits: nothing is lost. Reports what was saved. */
export function makeSaving(parts: StepParts): Step {
  return {
    name: 'saving',
    reportedAs: 'saving',
    async up(attempt) {
      parts.failpoints.reach('saving')
      const saved = await retry(
        () => save(attempt, parts),
        {
          backoff: { firstMs: 500, maxMs: 30_000 },
          giveUpAfterMs: Number.POSITIVE_INFINITY,
          signal: attempt.work,
          worthwhile: mayPass,
          onWait: (error) => attempt.line(`Saving waits, and goes on by itself: ${messageOf(error)}`),
        },
        parts,
      )
      for (const line of saved?.lines ?? []) attempt.line(line)
      parts.failpoints.reach('outputs-sent')
      parts.inBackground(
        attempt.report({
          kind: 'saved',
          manifestSha256: saved?.manifestSha256,
          files: saved?.files ?? 0,
          totalBytes: saved?.totalBytes ?? 0,
        }),
      )
      parts.failpoints.reach('saved')
    },
    down: nothingToTakeDown,
  }
}

/** undefined: there is nothing to save. */
async function save(attempt: Attempt, parts: StepParts): Promise<SavedOutputs | undefined> {
  const { code } = attempt.assignment.spec
  const { spell: spellFolder, baseline } = attempt.folders
  const { emptySpell } = attempt.parcel
  if (emptySpell && parts.folders.isUntouched(attempt.folders, emptySpell)) return undefined
  // Without code nothing was there before, and nobody has noted so.
  const baselineFile = code.kind === 'none' && !existsSync(baseline) ? undefined : baseline
  const repositoryName = code.kind === 'synced' ? code.repositoryName : undefined
  const list = await scanOutputs({ spellFolder, baselineFile, repositoryName }, attempt.work)
  if (list.outputs.length === 0) {
    for (const line of list.lines) attempt.line(line)
    return undefined
  }
  const upload = await parts.bytes.putOutputs(attempt.id, attempt.work)
  try {
    const saved = await sendOutputs(list, (part) => upload.send(part), attempt.work)
    const stored = await upload.finish()
    if (stored !== saved.manifestSha256)
      throw new RpcError('UNAVAILABLE', 'The outputs did not arrive at the store as they were sent.')
    return saved
  } catch (error) {
    upload.cancel()
    throw error
  }
}
