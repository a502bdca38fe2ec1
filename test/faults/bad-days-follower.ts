import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import type { TestCluster } from '../fixtures/cluster.js'

export interface Read {
  readonly bytes: number
  readonly sha256: string
  readonly exitCode: number | null
  readonly stderr: string
}

export interface Follower {
  /** Bytes that have come so far. */
  bytes(): number
  /** When it has ended by itself. */
  readonly read: Promise<Read>
}

/** `spell logs WORDS…` as a process of its own, whose raw output is hashed as it comes. */
export function readLog(t: ExecutionContext, cluster: TestCluster, words: readonly string[]): Follower {
  const child = cluster.start(['logs', '--raw', ...words])
  // Left alone it would look for its cluster for an hour.
  t.teardown(() => child.kill())
  const hash = createHash('sha256')
  let bytes = 0
  let stderr = ''
  child.stdout?.on('data', (data: Buffer) => {
    hash.update(data)
    bytes += data.length
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const read = once(child, 'close').then(([exitCode]) => ({
    bytes,
    sha256: hash.digest('hex'),
    exitCode: exitCode as number | null,
    stderr,
  }))
  return { bytes: () => bytes, read }
}
