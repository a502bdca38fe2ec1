import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { LogFiles } from '../../../coordinator/logs/log-files.js'
import { manifestName, outputsPrefix } from '../../../spellfs/paths.js'

/** What the object store keeps of one attempt. */
export interface StoredOfAttempt {
  readonly logBytes: number
  readonly outputs: boolean
}

export async function keptOf(storeDir: string, runId: number, attempt: number): Promise<StoredOfAttempt> {
  const logs = new LogFiles({
    directory: join(storeDir, '.spell/logs'),
    checkPresent: async () => undefined,
    synced: () => undefined,
  })
  const log = await logs.openToRead({ runId, attempt })
  const logBytes = log ? await log.durableLength().finally(() => log.close()) : 0
  const names = [outputsPrefix(runId, attempt), manifestName(runId, attempt)]
  return { logBytes, outputs: names.some((name) => existsSync(join(storeDir, name))) }
}
