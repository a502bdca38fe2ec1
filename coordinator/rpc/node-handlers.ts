import { RpcError } from '../../common/errors.js'
import { attemptIdFromWire } from '../../proto/convert/attempt.js'
import { outputPartFromWire } from '../../proto/convert/files.js'
import type { FromAgent__Output } from '../../proto/gen/spell/v1/FromAgent.js'
import type { LogBatch__Output } from '../../proto/gen/spell/v1/LogBatch.js'
import type { LogChunk__Output } from '../../proto/gen/spell/v1/LogChunk.js'
import type { OutputPart__Output } from '../../proto/gen/spell/v1/OutputPart.js'
import type { ReadObjectRequest__Output } from '../../proto/gen/spell/v1/ReadObjectRequest.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import type { OutputPart } from '../../proto/model/files.js'
import type { ObjectStore } from '../../spellfs/object-store.js'
import type { CodeObjects } from '../files/code-objects.js'
import { storeOutputs } from '../files/store-outputs.js'
import type { LogStore } from '../logs/log-store.js'
import { clientStream, conversation, type Handlers, serverStream } from './call.js'
import { link } from './link.js'
import type { NodeCall } from './node-call.js'
import { pipeline } from './pipeline.js'

export interface NodeHandlerParts {
  readonly logs: LogStore
  readonly store: ObjectStore
  readonly objects: CodeObjects
}

/** Batches of log bytes of one stream that are being made durable at once. */
const batchesUnderWay = 8

export function nodeHandlers(parts: NodeHandlerParts): Handlers<NodeCall> {
  const storing = new Set<string>()
  return {
    'Agents/Link': conversation<FromAgent__Output, NodeCall>(link),
    'Agents/ShipLogs': conversation<LogBatch__Output, NodeCall>((batches, call) =>
      pipeline(batches, batchesUnderWay, async ({ chunks }) => ({
        replies: await Promise.all(chunks.map((chunk) => takeChunk(parts.logs, chunk, call))),
      })),
    ),
    'Agents/PutOutputs': clientStream<OutputPart__Output, NodeCall>((messages, call) =>
      putOutputs(parts.store, storing, messages, call),
    ),
    'Agents/ReadObject': serverStream<ReadObjectRequest__Output, NodeCall>(async function* (request, call) {
      await checkReadable(request, call)
      for await (const data of parts.objects.read(request.name)) yield { data }
    }),
  }
}

/** What is not the current attempt's has no effect, wherever it comes from. */
async function takeChunk(logs: LogStore, chunk: LogChunk__Output, call: NodeCall): Promise<object> {
  const id = attemptIdFromWire(chunk.id)
  if (!call.leader.isCurrentAttempt(id, call.nodeId)) return { id, durableBytes: 0, refused: true }
  const durableBytes = chunk.query ? await logs.length(id) : await logs.write(id, chunk.offset, chunk.data)
  return { id, durableBytes }
}

async function putOutputs(
  store: ObjectStore,
  storing: Set<string>,
  messages: AsyncIterable<OutputPart__Output>,
  call: NodeCall,
): Promise<object> {
  const iterator = messages[Symbol.asyncIterator]()
  const first = await iterator.next()
  if (first.done) throw new RpcError('INVALID_ARGUMENT', 'The first message of PutOutputs names the attempt.')
  const id = attemptIdFromWire(first.value.id)
  const key = attemptKey(id)
  checkCurrent(id, call)
  if ((await call.leader.run(id.runId)).manifestSha256 !== undefined)
    throw new RpcError('ALREADY_EXISTS', `The outputs of run ${id.runId} are saved already.`)
  if (storing.has(key))
    throw new RpcError('ABORTED', `The outputs of attempt ${key} are being sent by an earlier call.`)
  // What an earlier try has left is removed next: a coordinator that slept meanwhile must not remove what its successor took.
  checkCurrent(id, call)
  storing.add(key)
  try {
    const stored = await storeOutputs(store, id, partsOf(first.value, iterator), call.signal)
    checkCurrent(id, call)
    return { manifestSha256: stored.manifestSha256 }
  } finally {
    storing.delete(key)
  }
}

async function* partsOf(
  first: OutputPart__Output,
  rest: AsyncIterator<OutputPart__Output>,
): AsyncGenerator<OutputPart> {
  yield outputPartFromWire(first)
  for await (const part of { [Symbol.asyncIterator]: () => rest }) yield outputPartFromWire(part)
}

function checkCurrent(id: AttemptId, call: NodeCall): void {
  if (!call.leader.isCurrentAttempt(id, call.nodeId))
    throw new RpcError(
      'FAILED_PRECONDITION',
      `${attemptKey(id)} is not the current attempt of its run on this node.`,
    )
}

async function checkReadable(request: ReadObjectRequest__Output, call: NodeCall): Promise<void> {
  const id = attemptIdFromWire(request.id)
  checkCurrent(id, call)
  const { code } = (await call.leader.run(id.runId)).spec
  if (code.kind !== 'synced' || request.name !== `code/${code.packSha256}`)
    throw new RpcError('PERMISSION_DENIED', `Run ${id.runId} does not name the object ${request.name}.`)
}
