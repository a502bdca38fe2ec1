import { RpcError } from '../../common/errors.js'
import type { FileEntry__Output } from '../gen/spell/v1/FileEntry.js'
import type { FilePart__Output } from '../gen/spell/v1/FilePart.js'
import type { OutputPart__Output } from '../gen/spell/v1/OutputPart.js'
import type { FileEntry, FilePart, OutputPart } from '../model/files.js'

const kinds = { FILE: 'file', DIRECTORY: 'directory', LINK: 'link' } as const

export function fileEntryFromWire(wire: FileEntry__Output): FileEntry {
  if (wire.kind === 'FILE_KIND_UNSPECIFIED')
    throw new RpcError('INVALID_ARGUMENT', `This version does not know what ${wire.path} is.`)
  return { ...wire, kind: kinds[wire.kind] }
}

export function fileEntryToWire(entry: FileEntry): object {
  return { ...entry, kind: entry.kind.toUpperCase() }
}

export function filePartFromWire(wire: FilePart__Output): FilePart {
  return { entry: wire.entry ? fileEntryFromWire(wire.entry) : undefined, data: wire.data }
}

export function filePartToWire(part: FilePart): object {
  return part.entry ? { entry: fileEntryToWire(part.entry), data: part.data } : { data: part.data }
}

/** The attempt that the first message names stays with whoever reads the stream. */
export function outputPartFromWire(wire: OutputPart__Output): OutputPart {
  return { file: wire.file ?? undefined, data: wire.data, manifest: wire.manifest }
}

/** Without the attempt, which only the first message of a stream carries. */
export function outputPartToWire(part: OutputPart): object {
  return part.file ? { ...part } : { data: part.data, manifest: part.manifest }
}
