import type { RawClient } from './etcd-client.js'
import { toEtcdError } from './etcd-error.js'

interface SnapshotStream extends AsyncIterable<{ readonly blob: Buffer }> {
  on(event: 'error', listener: (error: Error) => void): this
  cancel(): void
}

/** etcd's Maintenance.Snapshot, no faster than it is read. Rejects with EtcdError, and with the signal's reason. */
export async function* readSnapshot(client: RawClient, signal: AbortSignal): AsyncGenerator<Buffer> {
  signal.throwIfAborted()
  const open = client.snapshot as (request: object) => SnapshotStream
  const stream = open.call(client, {})
  const cancel = () => stream.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  // After the loop was left, the cancelled call still says so; nobody is left to hear it.
  stream.on('error', () => undefined)
  try {
    for await (const { blob } of stream) yield blob
  } catch (error) {
    signal.throwIfAborted()
    throw toEtcdError(error)
  } finally {
    signal.removeEventListener('abort', cancel)
    stream.cancel()
  }
}
