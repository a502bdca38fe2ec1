import { RpcError } from '../common/errors.js'
import type { Channel } from '../proto/channel.js'
import { outputPartToWire } from '../proto/convert/files.js'
import type { ObjectChunk__Output } from '../proto/gen/spell/v1/ObjectChunk.js'
import type { OutputPart__Output } from '../proto/gen/spell/v1/OutputPart.js'
import type { OutputsStored__Output } from '../proto/gen/spell/v1/OutputsStored.js'
import type { ReadObjectRequest__Output } from '../proto/gen/spell/v1/ReadObjectRequest.js'
import type { AttemptId } from '../proto/model/attempt.js'
import type { OutputPart } from '../proto/model/files.js'
import { method } from '../proto/wire.js'
import type { Bytes, OutputsUpload } from './steps/step-parts.js'

const readObject = method<ReadObjectRequest__Output, ObjectChunk__Output>('Agents', 'ReadObject')
const putOutputs = method<OutputPart__Output, OutputsStored__Output>('Agents', 'PutOutputs')

/** Code and outputs, on streams of their own to the leader that the link has found. UNAVAILABLE while there is none. */
export class LeaderBytes implements Bytes {
  #channel: Channel | undefined

  /** Until the signal aborts. */
  use(channel: Channel, signal: AbortSignal): void {
    this.#channel = channel
    signal.addEventListener(
      'abort',
      () => {
        if (this.#channel === channel) this.#channel = undefined
      },
      { once: true },
    )
  }

  async *readObject(id: AttemptId, name: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      for await (const { data } of this.#leader().serverStream(readObject, { id, name }, { signal }))
        yield data
    } catch (error) {
      throw brokenOff(error)
    }
  }

  async putOutputs(id: AttemptId, signal: AbortSignal): Promise<OutputsUpload> {
    const upload = await this.#leader().clientStream(putOutputs, { signal })
    let first = true
    return {
      async send(part: OutputPart) {
        const wire = outputPartToWire(part)
        await upload.write(first ? { id, ...wire } : wire).catch(rethrow)
        first = false
      },
      finish: async () => (await upload.finish().catch(rethrow)).manifestSha256,
      cancel: () => upload.cancel(),
    }
  }

  #leader(): Channel {
    if (this.#channel) return this.#channel
    throw new RpcError('UNAVAILABLE', 'The node has no link to a leader just now.')
  }
}

function rethrow(error: unknown): never {
  throw brokenOff(error)
}

/**
 * A coordinator that leads no more refuses nothing for good, and a call that was cancelled with its link was not refused at
 * all: the link finds who leads, and then the same can be tried again. Where it was cancelled from here the signal says so.
 */
function brokenOff(error: unknown): unknown {
  if (!(error instanceof RpcError)) return error
  if (error.code !== 'CANCELLED' && error.trailers['leader-address'] === undefined) return error
  return new RpcError('UNAVAILABLE', error.message, { cause: error })
}
