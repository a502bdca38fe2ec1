import { RpcError } from '../../common/errors.js'
import type { ActingLeader__Output } from '../../proto/gen/spell/v1/ActingLeader.js'
import type { DeleteAllRequest__Output } from '../../proto/gen/spell/v1/DeleteAllRequest.js'
import type { DeleteRequest__Output } from '../../proto/gen/spell/v1/DeleteRequest.js'
import type { HeadRequest__Output } from '../../proto/gen/spell/v1/HeadRequest.js'
import type { ListStoredRequest__Output } from '../../proto/gen/spell/v1/ListStoredRequest.js'
import type { PutPart__Output } from '../../proto/gen/spell/v1/PutPart.js'
import type { ReadStoredRequest__Output } from '../../proto/gen/spell/v1/ReadStoredRequest.js'
import type { SettleRequest__Output } from '../../proto/gen/spell/v1/SettleRequest.js'
import { clientStream, type Handlers, serverStream, unary } from '../rpc/call.js'
import type { CoordinatorCall } from './coordinator-call.js'
import { orRefuse, type Served } from './served.js'

/** Most objects in one answer of a list. */
const mostListed = 1_000

/** Serves the objects of the store that is at home here to the other coordinators. */
export function objectHandlers(served: Served | undefined): Handlers<CoordinatorCall> {
  const home = () => orRefuse(served)
  return {
    'StoredObjects/Put': clientStream<PutPart__Output, CoordinatorCall>((parts, call) =>
      take(home(), 'put', parts, call),
    ),
    'StoredObjects/Stage': clientStream<PutPart__Output, CoordinatorCall>((parts, call) =>
      take(home(), 'stage', parts, call),
    ),
    'StoredObjects/Settle': unary<SettleRequest__Output, CoordinatorCall>(async (request) => {
      await settle(home(), request)
      return {}
    }),
    'StoredObjects/Read': serverStream<ReadStoredRequest__Output, CoordinatorCall>(async function* ({
      name,
      offset,
      length,
    }) {
      const range = typeof length === 'number' ? { offset, length } : { offset }
      for await (const data of home().objects.read(name, range)) yield { data }
    }),
    'StoredObjects/Head': unary<HeadRequest__Output, CoordinatorCall>(async ({ name }) => {
      const head = await home().objects.head(name)
      return head ? { head } : {}
    }),
    'StoredObjects/List': unary<ListStoredRequest__Output, CoordinatorCall>(
      async ({ prefix, after, limit }) => {
        const page = { limit: Math.min(limit, mostListed), ...(after !== '' && { after }) }
        return await home().objects.list(prefix, page)
      },
    ),
    'StoredObjects/Delete': unary<DeleteRequest__Output, CoordinatorCall>(async ({ name, leader }) => {
      const { fence, objects } = home()
      fence.pass(leaderFrom(leader))
      await objects.delete(name)
      return {}
    }),
    'StoredObjects/DeleteAll': unary<DeleteAllRequest__Output, CoordinatorCall>(
      async ({ prefix, leader }) => {
        const { fence, objects } = home()
        fence.pass(leaderFrom(leader))
        await objects.deleteAll(prefix)
        return {}
      },
    ),
  }
}

async function take(
  { objects, fence, id }: Served,
  how: 'put' | 'stage',
  parts: AsyncIterable<PutPart__Output>,
  { signal }: CoordinatorCall,
): Promise<object> {
  const iterator = parts[Symbol.asyncIterator]()
  const first = await iterator.next()
  if (first.done || !first.value.head)
    throw new RpcError('INVALID_ARGUMENT', 'The first part of an object has its head.')
  const { name, sha256, maxBytes, leader } = first.value.head
  const pass = () => fence.pass(leaderFrom(leader))
  pass()
  const second = await iterator.next()
  // Most objects come in one part, and are written quicker so.
  const bytes = second.done ? first.value.data : piecesOf([first.value, second.value], iterator, pass)
  const options = {
    signal,
    ...(sha256 !== '' && { sha256 }),
    ...(typeof maxBytes === 'number' && { maxBytes }),
  }
  return { ...(await objects[how](name, bytes, options)), homeId: id }
}

async function* piecesOf(
  begun: readonly PutPart__Output[],
  rest: AsyncIterator<PutPart__Output>,
  atEnd: () => void,
): AsyncGenerator<Uint8Array> {
  for (const { data } of begun) yield data
  for await (const { data } of { [Symbol.asyncIterator]: () => rest }) yield data
  // A large object may have been long on its way.
  atEnd()
}

async function settle({ objects, id }: Served, { prefix, homeIds }: SettleRequest__Output): Promise<void> {
  if (homeIds.some((staged) => staged !== id))
    throw new RpcError(
      'UNAVAILABLE',
      `It was started anew while files were being stored below ${prefix}: they have to be sent again.`,
    )
  await objects.settle(prefix)
}

function leaderFrom(wire: ActingLeader__Output | null): ActingLeader__Output {
  if (wire) return wire
  throw new RpcError('INVALID_ARGUMENT', 'A store is changed on behalf of a leader, and none is named.')
}
