import { systemClock } from '../../../common/clock.js'

/** One key as a transaction has left it. */
export interface Change {
  readonly revision: number
  readonly key: string
  /** undefined: deleted. */
  readonly value: string | undefined
}

interface WatchLine {
  readonly result?: {
    readonly events?: readonly {
      readonly type?: 'DELETE'
      readonly kv: { readonly key: string; readonly value?: string; readonly mod_revision: string }
    }[]
  }
}

/**
 * Everything that etcd has ever held below a prefix, in order, by etcd's watch over HTTP
 * (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/). Goes on from where it was when etcd has been away.
 */
export class Recorder {
  readonly changes: Change[] = []
  readonly #url: string
  readonly #prefix: string
  readonly #stopping = new AbortController()
  readonly #listeners = new Set<(change: Change) => void>()
  readonly #recording: Promise<void>
  #revision = 0

  constructor(endpoint: string, prefix: string) {
    this.#url = `http://${endpoint}/v3/watch`
    this.#prefix = prefix
    this.#recording = this.#record()
  }

  /** The newest revision that is in `changes`. */
  get revision(): number {
    return this.#revision
  }

  /** Resolves with the first change from now on of which `is` is true. */
  next(is: (change: Change) => boolean, signal: AbortSignal): Promise<Change> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        this.#listeners.delete(listener)
        signal.removeEventListener('abort', abort)
      }
      const abort = () => {
        finish()
        reject(signal.reason)
      }
      const listener = (change: Change) => {
        if (!is(change)) return
        finish()
        resolve(change)
      }
      this.#listeners.add(listener)
      signal.addEventListener('abort', abort, { once: true })
    })
  }

  /** Resolves when everything up to this revision is in `changes`. */
  async upTo(revision: number, signal: AbortSignal): Promise<void> {
    while (this.#revision < revision) await systemClock.sleep(20, signal)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#recording
  }

  async #record(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      await this.#watch(signal).catch(() => undefined)
      await systemClock.sleep(50, signal).catch(() => undefined)
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const key = Buffer.from(this.#prefix).toString('base64')
    // The first key behind all that begin with the prefix: its last byte plus one.
    const bytes = Buffer.from(this.#prefix)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1
    const request = { key, range_end: bytes.toString('base64'), start_revision: String(this.#revision + 1) }
    const body = JSON.stringify({ create_request: request })
    const response = await fetch(this.#url, { method: 'POST', body, signal })
    let rest = ''
    const decoder = new TextDecoder()
    for await (const piece of response.body ?? []) {
      const lines = (rest + decoder.decode(piece as Uint8Array, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#take(JSON.parse(line) as WatchLine)
    }
  }

  #take({ result }: WatchLine): void {
    for (const { type, kv } of result?.events ?? []) {
      const revision = Number(kv.mod_revision)
      const text = (base64: string | undefined) => Buffer.from(base64 ?? '', 'base64').toString()
      const change = {
        revision,
        key: text(kv.key),
        value: type === 'DELETE' ? undefined : text(kv.value),
      }
      this.changes.push(change)
      this.#revision = revision
      for (const listener of [...this.#listeners]) listener(change)
    }
  }
}
