import { type ClientHttp2Session, connect, constants } from 'node:http2'
import { checkServerIdentity } from 'node:tls'
import type { Access } from './bench-cluster.js'

const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH } = constants
const prefixBytes = 5

/**
 * One connection that makes unary gRPC calls over TLS, one request a stream, as
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md has it. A client that measures a server on its own machine
 * must take little of that machine: this takes little more than half of what a whole gRPC library takes.
 */
export class UnaryCaller {
  readonly #session: ClientHttp2Session
  readonly #headers: Readonly<Record<string, string>>

  constructor({ addresses, ca, token }: Access) {
    const [address = ''] = addresses
    const host = address.slice(0, address.lastIndexOf(':'))
    this.#session = connect(`https://${address}`, {
      ca,
      servername: 'spell',
      checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
    })
    this.#headers = { 'content-type': 'application/grpc', te: 'trailers', authorization: `Bearer ${token}` }
  }

  /** Resolves with the answer's bytes; rejects with the call's status and message, and when the connection breaks. */
  call(path: string, request: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        [HTTP2_HEADER_METHOD]: 'POST',
        [HTTP2_HEADER_PATH]: path,
        ...this.#headers,
      })
      let answer: Buffer = Buffer.alloc(0)
      let status = 'none'
      let message = ''
      const take = (headers: Readonly<Record<string, unknown>>) => {
        status = String(headers['grpc-status'] ?? status)
        message = String(headers['grpc-message'] ?? message)
      }
      stream.on('response', take).on('trailers', take).on('error', reject)
      stream.on('data', (part: Buffer) => {
        answer = answer.length === 0 ? part : Buffer.concat([answer, part])
      })
      stream.on('end', () => {
        if (status === '0') resolve(answer.subarray(prefixBytes))
        else reject(new Error(`${path} ended with status ${status}: ${decodeURIComponent(message)}`))
      })
      stream.end(framed(request))
    })
  }

  close(): void {
    this.#session.close()
  }
}

/** A message that is not compressed, behind its length. */
function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(prefixBytes + message.length)
  frame.writeUInt8(0, 0)
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, prefixBytes)
  return frame
}
