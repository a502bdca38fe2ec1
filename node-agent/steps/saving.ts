import { existsSync } from 'node:fs'
import { messageOf, RpcError } from '../../common/errors.js'
import { systemCode } from '../../spellfs/disk-errors.js'
import type { Attempt } from '../attempts/attempt.js'
import { takeBack } from '../attempts/take-back.js'
import { type OutputList, scanOutputs } from '../outputs/scan.js'
import { type SavedOutputs, sendOutputs } from '../outputs/send.js'
import { isUnavailable, mayPass, retry } from '../retry.js'
import { nothingToTakeDown, type Step } from './step.js'
import type { StepParts } from './step-parts.js'
import { diskLimitOf } from './task.js'

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
  const holesLimitBytes = diskLimitOf(attempt, parts.settings) || parts.settings.holesLimitBytes
  const scan = () => scanOutputs({ spellFolder, baselineFile, repositoryName, holesLimitBytes }, attempt.work)
  const list = await scanAll(scan, attempt, parts)
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

/** Folders that the run has closed, even to its own user, are opened first: what is in them is output too. */
async function scanAll(
  scan: () => Promise<OutputList>,
  attempt: Attempt,
  { runtime, log }: StepParts,
): Promise<OutputList> {
  const list = await scan().catch((error: unknown) => {
    if (systemCode(error) !== 'EACCES') throw error
  })
  if (list?.missed === 0) return list
  const left = { id: attempt.id, folder: attempt.folders.spell }
  await takeBack(left, runtime, attempt.work).catch((error: unknown) => {
    if (!list || isUnavailable(error)) throw error
    log.warn('What a run has made can not be taken back', { attempt: attempt.key, error })
  })
  return await scan()
}
