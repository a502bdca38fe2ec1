import type { Attempt } from '../attempts/attempt.js'
import { removeLeft } from '../attempts/take-back.js'
import { placeCode } from '../code/place-code.js'
import { isUnavailable, retry } from '../retry.js'
import type { Step } from './step.js'
import type { StepParts } from './step-parts.js'
import { diskLimitOf } from './task.js'

/** Makes `/spell` as the run will find it. Part of Building. */
export function makeCode(parts: StepParts): Step {
  return {
    name: 'code',
    reportedAs: 'building',
    async up(attempt) {
      if (isEmptyAlready(attempt)) attempt.parcel.emptySpell = parts.folders.look(attempt.folders)
      else attempt.parcel.workingDirectory = await place(attempt, parts)
      parts.failpoints.reach('code-placed')
    },
    async down(attempt) {
      const { emptySpell } = attempt.parcel
      if (!emptySpell || !parts.folders.isUntouched(attempt.folders, emptySpell))
        await removeLeft({ id: attempt.id, folder: attempt.folders.spell }, parts.runtime)
    },
  }
}

/** Without code, and without another owner, the empty folder is what the run shall find. */
function isEmptyAlready(attempt: Attempt): boolean {
  const { owner } = attempt.parcel.prepared ?? {}
  const ours = !owner || (owner.uid === process.getuid?.() && owner.gid === process.getgid?.())
  return attempt.assignment.spec.code.kind === 'none' && ours
}

async function place(attempt: Attempt, parts: StepParts): Promise<string> {
  const options = {
    code: attempt.assignment.spec.code,
    spellFolder: attempt.folders.spell,
    baselineFile: attempt.folders.baseline,
    owner: attempt.parcel.prepared?.owner,
    fetch: (name: string, signal: AbortSignal) => parts.bytes.readObject(attempt.id, name, signal),
    diskBytes: diskLimitOf(attempt, parts.settings),
  }
  return await retry(
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
}
