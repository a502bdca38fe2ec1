import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'

export interface MetricsServerParts {
  readonly registry: Registry
  /** Why this coordinator is of no use at the moment; undefined: it is well. */
  trouble(): string | undefined
}

/** `/metrics` for Prometheus and `/healthz` for whoever restarts what is unwell, in plain HTTP. */
export class MetricsServer {
  readonly #server: Server

  constructor({ registry, trouble }: MetricsServerParts) {
    this.#server = createServer((request, response) => {
      if (request.url === '/healthz') {
        const reason = trouble()
        response.writeHead(reason === undefined ? 200 : 503, { 'content-type': 'text/plain' })
        response.end(`${reason ?? 'ok'}\n`)
      } else if (request.url === '/metrics') {
        registry.metrics().then(
          (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
          () => response.writeHead(500).end(),
        )
      } else response.writeHead(404).end()
    })
  }

  /** Resolves with the port. */
  listen(address: string): Promise<number> {
    const at = address.lastIndexOf(':')
    const host = address.slice(0, at).replace(/^\[|\]$/g, '')
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(Number(address.slice(at + 1)), host, () =>
        resolve((this.#server.address() as AddressInfo).port),
      )
    })
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}
