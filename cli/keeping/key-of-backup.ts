import { createReadStream, existsSync } from 'node:fs'
import { readClusterKey, unseal } from '../../common/sealing.js'
import { Failure } from '../failure.js'

// A backup of another cluster looks as good as one of this cluster, and no coordinator would lead over it: its secrets are
// sealed with another key. What a coordinator looks at before it leads (coordinator/leader/key-check.ts) stands in the file as
// etcd keeps it, key and value in one piece.

/** Behind the name are a few numbers of etcd's, as bytes. Text of users has its quotes escaped. */
const record = /key-check[\s\S]{1,40}?\{"v":\d+,"sealed":"(sealed:[\w+/=:]{1,200})"/g
const longestRecord = 512

/** Throws Failure where the backup's secrets are sealed with another key than the one in this file. */
export async function refuseOtherKey(path: string, clusterKeyFile: string): Promise<void> {
  // A member of etcd may be on a machine without a coordinator.
  if (!existsSync(clusterKeyFile)) return
  const checks = await keyChecksIn(path)
  if (checks.size === 0) return
  const key = readClusterKey(clusterKeyFile)
  if ([...checks].some((sealed) => opens(key, sealed))) return
  throw new Failure(
    'error',
    `${path} is a backup of another cluster: its secrets are sealed with another key than ${clusterKeyFile}.`,
  )
}

async function keyChecksIn(path: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  let before = ''
  for await (const bytes of createReadStream(path)) {
    const text = before + (bytes as Buffer).toString('latin1')
    for (const [, sealed] of text.matchAll(record)) if (sealed !== undefined) found.add(sealed)
    before = text.slice(-longestRecord)
  }
  return found
}

function opens(key: Buffer, sealed: string): boolean {
  try {
    unseal(key, 'key check', sealed)
    return true
  } catch {
    return false
  }
}
