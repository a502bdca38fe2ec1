import { createHash } from 'node:crypto'
import { type BigIntStats, closeSync, fstatSync, read, readSync } from 'node:fs'
import { promisify } from 'node:util'
import type { OutputPart } from '../../proto/model/files.js'
import { encodeManifest, type ManifestEntry, type ManifestFile, sha256Hex } from '../../spellfs/manifest.js'
import { isFileTrouble } from './file-trouble.js'
import { Folder } from './folder.js'
import { printableName } from './names.js'
import { type NamedOutput, quoted } from './output-names.js'
import { cantBeRead, type OutputList, shortened } from './scan.js'

export interface SavedOutputs {
  /** Hex; what the leader must answer. */
  readonly manifestSha256: string
  readonly files: number
  readonly totalBytes: number
  /** Those of the list, and about what could not be saved as it was; for the run's log. */
  readonly lines: readonly string[]
}

export type SendPart = (part: OutputPart) => Promise<void>

const partBytes = 256 * 1024
const nothing = new Uint8Array()
const readAsync: (
  fd: number,
  piece: Buffer,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesRead: number }> = promisify(read)

/**
 * Sends every output of a list, then the manifest, in parts of at most 256 KiB, waiting for each `send`. A file that
 * changes meanwhile is saved as it was read, one that the disk gives in part as far as that goes; one that vanished or
 * can't be read is left out; a line tells of each. To be called only for a list that isn't empty. After trouble
 * everything can simply be repeated from the scan on.
 */
export async function sendOutputs(
  list: OutputList,
  send: SendPart,
  signal: AbortSignal,
): Promise<SavedOutputs> {
  const entries: ManifestEntry[] = []
  const lines: string[] = []
  const root = Folder.open(list.spellFolder)
  let open: { readonly path: string; readonly folder: Folder | undefined } | undefined
  try {
    for (const output of list.outputs) {
      signal.throwIfAborted()
      const slash = output.path.lastIndexOf('/')
      const folderPath = output.path.slice(0, Math.max(0, slash))
      if (open?.path !== folderPath) {
        open?.folder?.close()
        open = { path: folderPath, folder: root.below(folderPath === '' ? [] : folderPath.split('/')) }
      }
      const sent = await sendOne(open.folder, output.path.slice(slash + 1), output, { send, signal })
      if (!sent) lines.push(`${quoted(output.path)} is not saved: ${cantBeRead}.`)
      else {
        entries.push(sent.entry)
        if (sent.trouble) lines.push(`${quoted(output.path)} ${sent.trouble}.`)
      }
    }
  } finally {
    open?.folder?.close()
    root.close()
  }
  const manifest = encodeManifest(entries)
  for (let at = 0; at < manifest.length; at += partBytes)
    await send({ file: undefined, data: nothing, manifest: manifest.subarray(at, at + partBytes) })
  return {
    manifestSha256: sha256Hex(manifest),
    files: entries.length,
    totalBytes: entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.sizeBytes : 0), 0),
    lines: [...list.lines, ...shortened(lines)],
  }
}

interface Sender {
  readonly send: SendPart
  readonly signal: AbortSignal
}

interface Sent {
  readonly entry: ManifestEntry
  /** What a line is to say of it; undefined: it is saved as it was. */
  readonly trouble: string | undefined
}

async function sendOne(
  folder: Folder | undefined,
  name: string,
  { savedAs }: NamedOutput,
  sender: Sender,
): Promise<Sent | undefined> {
  const facts = folder?.facts(name)
  if (!folder || !facts) return undefined
  if (facts.isSymbolicLink()) {
    const target = folder.linkTarget(name)
    if (target === undefined) return undefined
    const modifiedAtMs = modifiedAt(facts)
    return {
      entry: { path: savedAs, kind: 'link', target: printableName(target), modifiedAtMs },
      trouble: undefined,
    }
  }
  // Opened only when it is a file: opening a device can do something.
  const fd = facts.isFile() ? folder.openFile(name) : undefined
  if (fd === undefined) return undefined
  try {
    const before = fstatSync(fd, { bigint: true })
    if (!before.isFile()) return undefined
    const sent = await sendFile(fd, before, savedAs, sender)
    if (!sent || sent.trouble) return sent
    const after = fstatSync(fd, { bigint: true })
    const changed = before.mtimeNs !== after.mtimeNs || BigInt(sent.entry.sizeBytes) !== after.size
    return { ...sent, trouble: changed ? 'changed while it was saved' : undefined }
  } finally {
    closeSync(fd)
  }
}

/**
 * Sends at most as much as the file had when it was opened, so that one that grows without end has one. undefined: nothing
 * of it can be read, and nothing was sent.
 */
async function sendFile(
  fd: number,
  facts: BigIntStats,
  path: string,
  { send, signal }: Sender,
): Promise<{ readonly entry: ManifestFile; readonly trouble: string | undefined } | undefined> {
  const size = Number(facts.size)
  const mode = Number(facts.mode) & 0o777
  const modifiedAtMs = modifiedAt(facts)
  const hash = createHash('sha256')
  let sent = 0
  let trouble: string | undefined
  let header: OutputPart['file'] = { path, mode, modifiedAtMs, sizeBytes: size }
  while (sent < size || header) {
    signal.throwIfAborted()
    const data = await readPiece(fd, sent, Math.min(partBytes, size - sent), size > partBytes)
    if (!data && header) return undefined
    if (!data) {
      trouble = `is saved only up to byte ${sent} of ${size}: the rest can not be read`
      break
    }
    hash.update(data)
    sent += data.length
    if (data.length === 0 && !header) break
    await send({ file: header, data, manifest: nothing })
    header = undefined
  }
  const sha256 = hash.digest('hex')
  return { entry: { path, kind: 'file', sizeBytes: sent, mode, modifiedAtMs, sha256 }, trouble }
}

/**
 * A small file is read at once, which costs a tenth; a large one must not hold up the rest of the agent. undefined: the
 * disk does not give this piece.
 */
async function readPiece(
  fd: number,
  position: number,
  length: number,
  large: boolean,
): Promise<Buffer | undefined> {
  if (length === 0) return Buffer.alloc(0)
  const piece = Buffer.allocUnsafe(length)
  try {
    const bytesRead = large
      ? (await readAsync(fd, piece, 0, length, position)).bytesRead
      : readSync(fd, piece, 0, length, position)
    return piece.subarray(0, bytesRead)
  } catch (error) {
    if (!isFileTrouble(error)) throw error
    return undefined
  }
}

function modifiedAt(facts: BigIntStats): number {
  return Math.max(0, Number(facts.mtimeNs / 1_000_000n))
}
