import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { messageOf, RpcError } from '../../common/errors.js'

/**
 * Messages of a call as they come; read no faster than the loop takes them. Leaving the loop leaves the call open, and so
 * does an error: a call that failed has its status to send yet, maybe behind an answer that is on its way. The stream's own
 * iterator would destroy it, and the caller would wait for ever.
 */
export async function* messagesOf<Message>(
  stream: Readable,
  decode: (bytes: Buffer) => Message,
): AsyncGenerator<Message, void, undefined> {
  let wake: () => void = () => undefined
  let failed: { readonly error: unknown } | undefined
  const look = () => wake()
  const fail = (error: unknown) => {
    failed ??= { error }
    wake()
  }
  stream.on('readable', look).on('end', look).on('close', look).on('error', fail)
  try {
    for (;;) {
      const bytes: Buffer | null = stream.destroyed ? null : stream.read()
      if (bytes !== null) yield decodeOrRefuse(decode, bytes)
      else if (failed) throw failed.error
      else if (stream.readableEnded) return
      else if (stream.destroyed) throw new RpcError('CANCELLED', 'The caller has ended the call.')
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  } finally {
    stream.off('readable', look).off('end', look).off('close', look)
  }
}

/** Writes one message; waits while the other side is behind. Rejects with the signal's reason. */
export async function writeTo(stream: Writable, bytes: Buffer, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (!stream.write(bytes)) await once(stream, 'drain', { signal })
}

/** Bytes that are no such message are the caller's mistake. */
export function decodeOrRefuse<Message>(decode: (bytes: Buffer) => Message, bytes: Buffer): Message {
  try {
    return decode(bytes)
  } catch (error) {
    throw new RpcError('INVALID_ARGUMENT', `The message could not be read: ${messageOf(error)}.`)
  }
}
