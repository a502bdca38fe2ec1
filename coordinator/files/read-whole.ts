import { RpcError } from '../../common/errors.js'

/** All bytes of a stream; RESOURCE_EXHAUSTED for more than the limit. */
export async function readWhole(
  bytes: AsyncIterable<Uint8Array>,
  maxBytes: number,
  name: string,
): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of bytes) {
    length += piece.length
    if (length > maxBytes)
      throw new RpcError('RESOURCE_EXHAUSTED', `${name} is larger than the ${maxBytes} bytes allowed.`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
