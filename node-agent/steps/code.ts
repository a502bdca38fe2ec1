import { rm } from 'node:fs/promises'
import type { Attempt } from '../attempts/attempt.js'
import { placeCode } from '../code/place-code.js'
import { isUnavailable, retry } from '../retry.js'
import type { Prepared } from '../runtimes/runtime.js'
import type { Step } from './step.js'
import type { StepParts } from './step-parts.js'

/** Makes `/spell` as the run will find it. Part of Building. */
export function makeCode(
  parts: StepParts,
  parcel: { prepared(attempt: Attempt): Prepared; placed(attempt: Attempt, workingDirectory: string): void },
): Step {
  return {
    name: 'code',
    reportedAs: 'building',
    async up(attempt) {
      const { code } = attempt.assignment.spec
      const options = {
        code,
        spellFolder: attempt.folders.spell,
        baselineFile: attempt.folders.baseline,
        owner: parcel.prepared(attempt).owner,
        fetch: (name: string, signal: AbortSignal) => parts.bytes.readObject(attempt.id, name, signal),
        diskBytes: attempt.assignment.diskBytes || parts.settings.diskLimitBytes,
      }
      const workingDirectory = await retry(
        () => placeCode(options, parts.codeCache, attempt.work),
        {
          backoff: { firstMs: 200, maxMs: 10_000 },
          giveUpAfterMs: parts.settings.giveUpAfterMs,
          signal: attempt.work,
          worthwhile: isUnavailable,
          onWait: () => attempt.line('Waiting for the code: it can not be fetched just now.'),
        },
        parts,
      )
      parts.failpoints.reach('code-placed')
      parcel.placed(attempt, workingDirectory)
    },
    async down(attempt) {
      await removeFolder(attempt, parts)
    },
  }
}

/** Files of a container's root may resist; then the runtime helps. */
async function removeFolder(attempt: Attempt, parts: StepParts): Promise<void> {
  const { spell } = attempt.folders
  await rm(spell, { recursive: true, force: true }).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES' && error.code !== 'EPERM') throw error
    await parts.runtime.reclaim(attempt.id, spell)
    await rm(spell, { recursive: true, force: true })
  })
}
