import { open } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { invariant, messageOf } from '../../common/errors.js'
import type { Log } from '../../common/log.js'
import { ArchiveFolder, type Archives, listName } from './archives.js'
import { byteRange } from './byte-range.js'
import { installerNames, installerScript } from './installers.js'

export interface DownloadServerSettings {
  /** Where the archives lie, with their SHA256SUMS. */
  readonly folder: string
}

export interface DownloadServerParts {
  /** The coordinator's, in PEM. */
  readonly certificate: Buffer
  readonly key: Buffer
  readonly log: Log
}

const maxConnections = 200
/** A connection on which nothing moves for so long is cut. */
const idleMs = 60_000
const requestMs = 15_000
const text = 'text/plain; charset=utf-8'

/**
 * The archives of spell by HTTPS, for machines that have nothing yet, whether this coordinator leads or not. There is no
 * secret in them. Only what the list of hashes names is served, so that no path leads anywhere else.
 */
export class DownloadServer {
  readonly #folder: ArchiveFolder
  readonly #settings: DownloadServerSettings
  readonly #log: Log
  readonly #server: Server

  constructor(settings: DownloadServerSettings, { certificate, key, log }: DownloadServerParts) {
    this.#settings = settings
    this.#folder = new ArchiveFolder(settings.folder)
    this.#log = log
    this.#server = createServer(
      {
        cert: certificate,
        key,
        handshakeTimeout: requestMs,
        headersTimeout: requestMs,
        requestTimeout: requestMs,
        keepAliveTimeout: 5_000,
      },
      (request, response) => {
        this.#answer(request, response).catch((error: unknown) => this.#failed(response, error))
      },
    )
    this.#server.maxConnections = maxConnections
    this.#server.timeout = idleMs
    this.#server.on('error', (error) => log.warn('archives are not served', { reason: messageOf(error) }))
    // What isn't TLS, or doesn't trust us: nothing that concerns anybody here.
    this.#server.on('tlsClientError', (_, socket) => socket.destroy())
  }

  /** Resolves with the port. */
  listen(address: string): Promise<number> {
    const at = address.lastIndexOf(':')
    const host = address.slice(0, at).replace(/^\[|\]$/g, '')
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(Number(address.slice(at + 1)), host, () => {
        const bound = this.#server.address()
        invariant(bound !== null && typeof bound === 'object', 'a server that listens has a port')
        resolve(bound.port)
      })
    })
  }

  /** New connections see this certificate. */
  serve({ certificate, key }: Pick<DownloadServerParts, 'certificate' | 'key'>): void {
    this.#server.setSecureContext({ cert: certificate, key })
  }

  /** Cuts what is being downloaded. Safe to call twice. */
  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return say(response, 405, 'Only GET and HEAD are answered here.')
    }
    const archives = await this.#folder.archives()
    if (!archives || archives.hashes.size === 0) return say(response, 404, this.#nothing())
    const name = /^\/([A-Za-z0-9._+-]*)(?:\?|$)/.exec(request.url ?? '')?.[1]
    if (name === '') return say(response, 200, overview(archives))
    if (name === listName) return say(response, 200, archives.list)
    const script = name === undefined ? undefined : installerScript(name, archives)
    if (script !== undefined) return say(response, 200, script)
    if (name !== undefined && archives.hashes.has(name))
      return await this.#sendArchive(name, archives, request, response)
    const missing = name !== undefined && installerNames.includes(name)
    return say(
      response,
      404,
      missing
        ? `There is no archive for ${name} here; / says what there is.`
        : 'There is no such file; / says what there is.',
    )
  }

  async #sendArchive(
    name: string,
    archives: Archives,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const file = await open(this.#folder.path(name)).catch(() => undefined)
    if (!file) return say(response, 404, `${name} is on the list but not in the folder.`)
    try {
      const { size } = await file.stat()
      const tag = `"${archives.hashes.get(name)}"`
      const unchanged = [undefined, tag].includes(request.headers['if-range']?.toString())
      const range = unchanged ? byteRange(request.headers.range, size) : 'whole'
      response.setHeader('etag', tag)
      response.setHeader('accept-ranges', 'bytes')
      if (range === 'none') {
        response.setHeader('content-range', `bytes */${size}`)
        return say(response, 416, 'There are no such bytes.')
      }
      const { first, last } = range === 'whole' ? { first: 0, last: size - 1 } : range
      if (range !== 'whole') response.setHeader('content-range', `bytes ${first}-${last}/${size}`)
      response.writeHead(range === 'whole' ? 200 : 206, {
        'content-type': 'application/octet-stream',
        'content-length': last - first + 1,
      })
      if (request.method === 'HEAD' || last < first) response.end()
      else await pipeline(file.createReadStream({ start: first, end: last, autoClose: false }), response)
    } finally {
      await file.close()
    }
  }

  #nothing(): string {
    return `There are no archives of spell in ${this.#settings.folder} of this coordinator's machine: "npm run package" in a checkout makes them (dist-packages).`
  }

  #failed(response: ServerResponse, error: unknown): void {
    this.#log.debug('a download ended early', { reason: messageOf(error) })
    if (response.headersSent) response.destroy()
    else say(response, 500, 'This could not be read.')
  }
}

function overview(archives: Archives): string {
  const scripts = installerNames.filter((name) => installerScript(name, archives) !== undefined)
  return `${[...scripts, listName, ...archives.hashes.keys()].join('\n')}\n`
}

/** HEAD gets the headers of this alone: node:http leaves the body out. */
function say(response: ServerResponse, status: number, body: string): void {
  const whole = body.endsWith('\n') ? body : `${body}\n`
  response.writeHead(status, { 'content-type': text, 'content-length': Buffer.byteLength(whole) }).end(whole)
}
