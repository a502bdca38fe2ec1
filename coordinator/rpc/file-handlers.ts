import { RpcError } from '../../common/errors.js'
import { fileEntryToWire, filePartToWire } from '../../proto/convert/files.js'
import type { ListFilesRequest__Output } from '../../proto/gen/spell/v1/ListFilesRequest.js'
import type { ObjectName__Output } from '../../proto/gen/spell/v1/ObjectName.js'
import type { ObjectPart__Output } from '../../proto/gen/spell/v1/ObjectPart.js'
import type { ReadFilesRequest__Output } from '../../proto/gen/spell/v1/ReadFilesRequest.js'
import type { CodeObjects } from '../files/code-objects.js'
import type { ResourceFiles } from '../files/resource-files.js'
import type { Leader } from '../leader.js'
import { clientStream, type Handlers, serverStream, unary } from './call.js'
import { refusePrivateFiles } from './private-runs.js'
import type { UserCall } from './user-call.js'

export interface FileHandlerParts {
  /** What is listed depends on the leader's records: one for each term. */
  resourcesOf(leader: Leader): ResourceFiles
  readonly objects: CodeObjects
}

export function fileHandlers({ resourcesOf, objects }: FileHandlerParts): Handlers<UserCall> {
  return {
    'Files/List': unary<ListFilesRequest__Output, UserCall>(async (request, call) => {
      if (request.pageSize > 10_000)
        throw new RpcError('INVALID_ARGUMENT', 'page_size may be at most 10,000.')
      await refusePrivateFiles(call, request.path)
      const page = await resourcesOf(call.leader).list(request)
      return { entries: page.entries.map(fileEntryToWire), nextPageToken: page.nextPageToken }
    }),
    'Files/Read': serverStream<ReadFilesRequest__Output, UserCall>(async function* (request, call) {
      const { signal } = call
      await refusePrivateFiles(call, request.path)
      for await (const part of resourcesOf(call.leader).read(request, signal)) yield filePartToWire(part)
    }),
    'Files/HasObject': unary<ObjectName__Output, UserCall>(async ({ name }) => ({
      present: await objects.has(name),
    })),
    'Files/PutObject': clientStream<ObjectPart__Output, UserCall>(async (parts, call) => {
      const { name, data } = await objectOf(parts)
      await objects.put(name, data, call.signal)
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
