import { existsSync } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { invariant, messageOf } from '../../common/errors.js'
import type { BackupFacts__Output } from '../../proto/gen/spell/v1/BackupFacts.js'
import type { BackupPart__Output } from '../../proto/gen/spell/v1/BackupPart.js'
import type { Api } from '../api.js'
import { findProgram } from '../cluster/programs.js'
import { localEnvironment } from '../cluster/settings.js'
import { Failure } from '../failure.js'
import { announceSlow } from '../output/announce-slow.js'
import type { World } from '../world.js'
import { checkSnapshotFile, type SnapshotStatus, snapshotStatus } from './snapshot-file.js'

export interface Backup {
  readonly facts: BackupFacts__Output
  readonly bytes: number
  /** Undefined where etcd's tool is not installed here: then only the hash was checked. */
  readonly status: SnapshotStatus | undefined
}

/** Writes the file (0600) under its name when all of it is there, on the disk and checked; else nothing is left. */
export async function takeBackup(
  world: World,
  api: Api,
  { path, overwrite }: { readonly path: string; readonly overwrite: boolean },
): Promise<Backup> {
  refuseExisting(path, overwrite)
  const part = `${path}.${process.pid}.part`
  const interrupt = new AbortController()
  const forget = world.onInterrupt(() => interrupt.abort(new Failure('error', 'Aborted.')))
  const slow = announceSlow(world, `Writing ${path}`)
  try {
    const facts = await receive(api, part, interrupt.signal)
    const { bytes } = await checkSnapshotFile(part)
    const etcdctl = findProgram('etcdctl', localEnvironment().searchPath)
    const status = etcdctl === undefined ? undefined : await snapshotStatus(etcdctl, part)
    refuseExisting(path, overwrite)
    await rename(part, path)
    await syncFolder(dirname(path))
    return { facts, bytes, status }
  } catch (error) {
    throw isSystemError(error) ? couldNotWrite(path, error) : error
  } finally {
    slow.end()
    forget()
    await rm(part, { force: true })
  }
}

async function receive(api: Api, path: string, signal: AbortSignal): Promise<BackupFacts__Output> {
  const file = await open(path, 'wx', 0o600)
  try {
    return await writeParts(file, api.stream<BackupPart__Output>('Keeping', 'Backup', {}, signal))
  } finally {
    await file.close()
  }
}

async function writeParts(
  file: FileHandle,
  parts: AsyncIterable<BackupPart__Output>,
): Promise<BackupFacts__Output> {
  let facts: BackupFacts__Output | undefined
  for await (const part of parts) {
    facts ??= part.facts ?? undefined
    if (part.data.length > 0) await file.writeFile(part.data)
  }
  await file.sync()
  invariant(facts, 'a backup begins with its facts')
  return facts
}

function refuseExisting(path: string, overwrite: boolean): void {
  if (!overwrite && existsSync(path))
    throw new Failure('error', `${path} is there already. Use -f to overwrite it.`)
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}

function couldNotWrite(path: string, error: NodeJS.ErrnoException): Failure {
  return new Failure('error', `Could not write the backup ${path}: ${messageOf(error)}`, { cause: error })
}
