import { createHash } from 'node:crypto'
import { RpcError } from '../../common/errors.js'

/** Passes bytes on; throws DATA_LOSS behind the last when they do not hash to `sha256` (undefined: not checked). */
export async function* verified(
  bytes: AsyncIterable<Buffer> | Iterable<Buffer>,
  name: string,
  sha256: string | undefined,
): AsyncIterable<Buffer> {
  const hash = createHash('sha256')
  for await (const piece of bytes) {
    if (sha256 !== undefined) hash.update(piece)
    yield piece
  }
  if (sha256 !== undefined && hash.digest('hex') !== sha256)
    throw new RpcError('DATA_LOSS', `${name} in the store is not what the run saved.`)
}
