import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { noFailpoints } from '../../../common/failpoint.js'
import { silentLog } from '../../../common/log.js'
import { seededRandom } from '../../../common/random.js'
import type { Attempt } from '../../../node-agent/attempts/attempt.js'
import { foldersOf } from '../../../node-agent/attempts/folders.js'
import { ProcessRuntime } from '../../../node-agent/runtimes/process.js'
import { makeSaving } from '../../../node-agent/steps/saving.js'
import type { StepParts } from '../../../node-agent/steps/step-parts.js'
import type { OutputPart } from '../../../proto/model/files.js'
import { sha256Hex } from '../../../spellfs/manifest.js'
import { asNobody } from '../../fixtures/as-nobody.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'
import { assignmentOf } from '../fixtures/assignments.js'

for (const closed of ['d', '.'])
  test.serial(
    `an agent without root saves what is in a folder that the run has closed: ${closed}`,
    async (t) => {
      await asNobody(async () => {
        const attempts = await temporaryFolder(t)
        const { attempt, parts, saved, lines } = makeParts(attempts)
        await mkdir(join(attempt.folders.spell, 'd'), { recursive: true })
        await writeFile(join(attempt.folders.spell, 'd/model'), 'weights')
        await chmod(join(attempt.folders.spell, closed), 0o000)
        await makeSaving(parts).up(attempt)
        t.deepEqual(saved, ['d/model'])
        t.deepEqual(lines, [])
      })
    },
  )

/** An attempt whose command has ended, and a store that takes everything. */
function makeParts(attemptsFolder: string) {
  const assignment = assignmentOf(1, 'true')
  const { id } = assignment
  const lines: string[] = []
  const saved: string[] = []
  const manifest: Uint8Array[] = []
  const attempt = {
    ...{ id, key: '1.1', assignment, folders: foldersOf(attemptsFolder, id), parcel: {} },
    ...{ work: new AbortController().signal, report: async () => undefined },
    line: (text: string) => lines.push(text),
  } as unknown as Attempt
  const upload = {
    async send(part: OutputPart) {
      if (part.file) saved.push(part.file.path)
      manifest.push(part.manifest)
    },
    finish: async () => sha256Hex(Buffer.concat(manifest)),
    cancel: () => undefined,
  }
  const parts = {
    runtime: new ProcessRuntime({ attemptsFolder }, systemClock),
    ...{ clock: systemClock, random: seededRandom(1), log: silentLog, failpoints: noFailpoints },
    bytes: { putOutputs: async () => upload },
    settings: { diskLimitBytes: 0, holesLimitBytes: 1 << 30 },
    inBackground: () => undefined,
  } as unknown as StepParts
  return { attempt, parts, saved, lines }
}
