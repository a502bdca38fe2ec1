import { RpcError } from '../../common/errors.js'
import { fileEntryToWire, filePartToWire } from '../../proto/convert/files.js'
import type { ListFilesRequest__Output } from '../../proto/gen/spell/v1/ListFilesRequest.js'
import type { ObjectName__Output } from '../../proto/gen/spell/v1/ObjectName.js'
import type { ObjectPart__Output } from '../../proto/gen/spell/v1/ObjectPart.js'
import type { ReadFilesRequest__Output } from '../../proto/gen/spell/v1/ReadFilesRequest.js'
import type { FileEntry, FilePart } from '../../proto/model/files.js'
import { clientStream, type Handlers, serverStream, unary } from './call.js'
import type { UserCall } from './user-call.js'

/** Resources as users see them, and the objects that requests name by hash. */
export interface UserFiles {
  list(query: FileQuery): Promise<{ readonly entries: readonly FileEntry[]; readonly nextPageToken: string }>
  read(query: { path: string; recursive: boolean; offset: number }): AsyncIterable<FilePart>
  hasObject(name: string): Promise<boolean>
  putObject(name: string, data: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>
}

export interface FileQuery {
  readonly path: string
  /** 1 to 10,000. */
  readonly pageSize: number
  readonly pageToken: string
  readonly recursive: boolean
}

/** The files of one leader's term: what is listed depends on its records. */
export type FilesOf = (call: UserCall) => UserFiles

export function fileHandlers(filesOf: FilesOf): Handlers<UserCall> {
  return {
    'Files/List': unary<ListFilesRequest__Output, UserCall>(async (request, call) => {
      const { path, pageToken, recursive } = request
      const pageSize = request.pageSize || 1_000
      if (pageSize > 10_000) throw new RpcError('INVALID_ARGUMENT', 'page_size may be at most 10,000.')
      const page = await filesOf(call).list({ path, pageSize, pageToken, recursive })
      return { entries: page.entries.map(fileEntryToWire), nextPageToken: page.nextPageToken }
    }),
    'Files/Read': serverStream<ReadFilesRequest__Output, UserCall>(async function* (request, call) {
      for await (const part of filesOf(call).read(request)) yield filePartToWire(part)
    }),
    'Files/HasObject': unary<ObjectName__Output, UserCall>(async ({ name }, call) => ({
      present: await filesOf(call).hasObject(name),
    })),
    'Files/PutObject': clientStream<ObjectPart__Output, UserCall>(async (parts, call) => {
      const { name, data } = await objectOf(parts)
      await filesOf(call).putObject(name, data, call.signal)
      return { present: true }
    }),
  }
}

/** The name from the first message, and the data of all. */
async function objectOf(parts: AsyncIterable<ObjectPart__Output>) {
  const iterator = parts[Symbol.asyncIterator]()
  const first = await iterator.next()
  if (first.done || first.value.name === '')
    throw new RpcError('INVALID_ARGUMENT', 'The first message of PutObject names the object.')
  const { name, data } = first.value
  const rest = { [Symbol.asyncIterator]: () => iterator }
  return { name, data: dataOf(data, rest) }
}

async function* dataOf(first: Buffer, rest: AsyncIterable<ObjectPart__Output>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first
  for await (const { data } of rest) yield data
}
