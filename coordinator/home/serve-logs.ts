import { RpcError } from '../../common/errors.js'
import { attemptIdFromWire } from '../../proto/convert/attempt.js'
import type { ChunkOfLog__Output } from '../../proto/gen/spell/v1/ChunkOfLog.js'
import type { LogChunks__Output } from '../../proto/gen/spell/v1/LogChunks.js'
import type { LogLengthRequest__Output } from '../../proto/gen/spell/v1/LogLengthRequest.js'
import type { LogTailRequest__Output } from '../../proto/gen/spell/v1/LogTailRequest.js'
import type { LogTimesRequest__Output } from '../../proto/gen/spell/v1/LogTimesRequest.js'
import type { ReadLogRequest__Output } from '../../proto/gen/spell/v1/ReadLogRequest.js'
import type { LogStore } from '../logs/log-store.js'
import { conversation, type Handlers, serverStream, unary } from '../rpc/call.js'
import { pipeline } from '../rpc/pipeline.js'
import type { CoordinatorCall } from './coordinator-call.js'
import { orRefuse, type Served } from './served.js'

/** Messages of one stream whose chunks are being made durable at once. */
const messagesUnderWay = 32

/** Serves the logs of the store that is at home here to the other coordinators. */
export function logHandlers(served: Served | undefined): Handlers<CoordinatorCall> {
  const logs = () => orRefuse(served).logs
  return {
    'StoredLogs/Write': conversation<LogChunks__Output, CoordinatorCall>((messages, { signal }) =>
      pipeline(until(signal, messages), messagesUnderWay, async ({ chunks }) => ({
        chunks: await Promise.all(chunks.map((chunk) => write(logs(), chunk))),
      })),
    ),
    'StoredLogs/Length': unary<LogLengthRequest__Output, CoordinatorCall>(async ({ id }) => ({
      length: await logs().length(attemptIdFromWire(id)),
    })),
    'StoredLogs/Read': serverStream<ReadLogRequest__Output, CoordinatorCall>(async function* ({
      id,
      offset,
      end,
    }) {
      for await (const data of logs().read(attemptIdFromWire(id), offset, end)) yield { data }
    }),
    'StoredLogs/Times': unary<LogTimesRequest__Output, CoordinatorCall>(async ({ id }) => ({
      times: await logs().times(attemptIdFromWire(id)),
    })),
    'StoredLogs/Tail': unary<LogTailRequest__Output, CoordinatorCall>(async ({ id, lines, end }) => ({
      offset: await logs().tailOffset(attemptIdFromWire(id), lines, end),
    })),
  }
}

/** What one log is refused for is no reason for the others on the same stream. */
async function write(logs: LogStore, { id, offset, data }: ChunkOfLog__Output): Promise<object> {
  try {
    return { length: await logs.write(attemptIdFromWire(id), offset, data) }
  } catch (error) {
    if (error instanceof RpcError) return { error: error.code, message: error.message }
    throw error
  }
}

/** The same, and over when the signal aborts: a stream on which nothing comes would not notice. */
async function* until<Message>(signal: AbortSignal, messages: AsyncIterable<Message>) {
  const iterator = messages[Symbol.asyncIterator]()
  let wake: () => void = () => undefined
  signal.addEventListener('abort', () => wake(), { once: true })
  while (!signal.aborted) {
    const next = iterator.next()
    const item = await new Promise<IteratorResult<Message> | undefined>((resolve, reject) => {
      wake = () => resolve(undefined)
      next.then(resolve, reject)
    })
    if (!item || item.done) return
    yield item.value
  }
}
