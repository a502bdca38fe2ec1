import { request } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpProxy } from '../../common/proxy.js'

/** A connection to `host:port` through a proxy. Rejects with a sentence of why there is none. */
export function tunnel(proxy: HttpProxy, target: string, signal: AbortSignal): Promise<Socket> {
  const where = `the proxy ${proxy.host}:${proxy.port}`
  return new Promise((resolve, reject) => {
    const asking = request({
      host: proxy.host,
      port: proxy.port,
      method: 'CONNECT',
      path: target,
      headers: {
        host: target,
        ...(proxy.authorization !== undefined && { 'proxy-authorization': proxy.authorization }),
      },
      signal,
    })
    asking.once('error', (error) => reject(new Error(`${where} cannot be reached: ${error.message}`)))
    asking.once('response', (response) =>
      reject(new Error(`${where} answered ${response.statusCode} ${response.statusMessage}`)),
    )
    asking.once('connect', (response, socket, head) => {
      if (response.statusCode !== 200) {
        socket.destroy()
        return reject(new Error(`${where} answered ${response.statusCode} ${response.statusMessage}`))
      }
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    asking.end()
  })
}
