import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { execa } from 'execa'
import { z } from 'zod'
import { messageOf } from '../../common/errors.js'
import { findProgram } from '../cluster/programs.js'
import { Failure } from '../failure.js'

// A backup is a snapshot as etcd itself makes it: a database in pages, and behind it the SHA-256 of those.

const hashBytes = 32
const pageBytes = 512
const etcdctlPatienceMs = 600_000

/** What etcd's own tool says of a snapshot. */
export interface SnapshotStatus {
  readonly revision: number
  readonly keys: number
}

export interface SnapshotFile {
  readonly bytes: number
  /** Of the database in it, lower-case hex. */
  readonly sha256: string
}

/** Throws Failure where the file is not there, not a snapshot, cut off or changed. */
export async function checkSnapshotFile(path: string): Promise<SnapshotFile> {
  const file = await open(path).catch((error: unknown) => {
    throw new Failure('error', `Could not read the backup ${path}: ${messageOf(error)}`, { cause: error })
  })
  try {
    const { size } = await file.stat()
    if (size < pageBytes || size % pageBytes !== hashBytes) throw notWhole(path)
    const sha256 = await hashIfRight(file, size - hashBytes)
    if (sha256 === undefined) throw notWhole(path)
    return { bytes: size, sha256 }
  } finally {
    await file.close()
  }
}

/** Opens the database that is in the file. Throws Failure where etcd's tool finds it damaged. */
export async function snapshotStatus(etcdctl: string, path: string): Promise<SnapshotStatus> {
  const { stdout, failed, stderr } = await execa(etcdctl, ['snapshot', 'status', path, '-w', 'json'], {
    env: { ETCDCTL_API: '3' },
    reject: false,
    timeout: etcdctlPatienceMs,
  })
  const known = failed ? undefined : statusIn(stdout)
  if (known) return known
  const [first = 'it said nothing'] = stderr.split('\n').filter(Boolean)
  throw new Failure('error', `${path} is no backup that etcd can read: ${first}`)
}

/** Throws Failure naming the package. */
export function findEtcdctl(searchPath: readonly string[]): string {
  const found = findProgram('etcdctl', searchPath)
  if (found !== undefined) return found
  throw new Failure(
    'error',
    'A backup is restored by etcdctl, which is not installed. On Debian and Ubuntu: sudo apt-get install etcd-client',
  )
}

const statusShape = z.object({ revision: z.number(), totalKey: z.number() })

function statusIn(text: string): SnapshotStatus | undefined {
  try {
    const { revision, totalKey } = statusShape.parse(JSON.parse(text))
    return { revision, keys: totalKey }
  } catch {
    return undefined
  }
}

async function hashIfRight(file: FileHandle, databaseBytes: number): Promise<string | undefined> {
  const hash = createHash('sha256')
  const stream = file.createReadStream({ start: 0, end: databaseBytes - 1, autoClose: false })
  for await (const bytes of stream) hash.update(bytes as Buffer)
  const written = Buffer.alloc(hashBytes)
  await file.read(written, 0, hashBytes, databaseBytes)
  const digest = hash.digest()
  return digest.equals(written) ? digest.toString('hex') : undefined
}

function notWhole(path: string): Failure {
  return new Failure('error', `${path} is no whole backup: it was cut off or changed, or is something else.`)
}
