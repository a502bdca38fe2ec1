import { createReadStream } from 'node:fs'
import { messageOf, RpcError } from '../../common/errors.js'
import type { HasObjectResponse__Output } from '../../proto/gen/spell/v1/HasObjectResponse.js'
import type { Api } from '../api.js'
import { Failure } from '../failure.js'
import { humanBytes } from '../output/bytes.js'
import type { World } from '../world.js'

/** Fits one message; the API allows 1 MiB. */
const partBytes = 256 * 1024
const silenceMs = 700
const tries = 3

export interface Upload {
  readonly name: string
  readonly file: string
  readonly bytes: number
}

/** Brings a file to the cluster unless it is there. Safe to repeat. Throws the signal's reason when that stops it. */
export async function uploadObject(
  api: Api,
  world: World,
  upload: Upload,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const request = { name: upload.name }
      const known = await api.call<HasObjectResponse__Output>('Files', 'HasObject', request, { signal })
      if (!known.present) await put(api, world, upload, signal)
      return
    } catch (error) {
      signal.throwIfAborted()
      const again = error instanceof RpcError && error.code === 'UNAVAILABLE' && attempt < tries
      if (!again)
        throw new Failure('error', `Push to Spell remote failed: ${messageOf(error)}`, { cause: error })
      await world.clock.sleep(500 * attempt, signal)
    }
  }
}

async function put(api: Api, world: World, upload: Upload, signal: AbortSignal): Promise<void> {
  const progress = new Progress(world, upload.bytes)
  const call = await api.upload<HasObjectResponse__Output>('Files', 'PutObject', signal)
  try {
    await call.write({ name: upload.name })
    for await (const data of createReadStream(upload.file, { highWaterMark: partBytes })) {
      await call.write({ data })
      progress.add(data.length)
    }
    await call.finish()
  } catch (error) {
    call.cancel()
    throw error
  } finally {
    progress.end()
  }
}

/** On stderr, once it takes long: a line that counts on a terminal, one line elsewhere. */
class Progress {
  readonly #world: World
  readonly #total: number
  readonly #startedAt: number
  #sent = 0
  #shownAt = 0

  constructor(world: World, total: number) {
    this.#world = world
    this.#total = total
    this.#startedAt = world.clock.monotonic()
  }

  add(bytes: number): void {
    this.#sent += bytes
    const { clock, stderr, settings } = this.#world
    const now = clock.monotonic()
    if (now - this.#startedAt < silenceMs) return
    const moving = stderr.isTTY && settings.cursor
    if (this.#shownAt > 0 && (!moving || now - this.#shownAt < 200)) return
    this.#shownAt = now
    const text = `Uploading code: ${humanBytes(this.#sent)} of ${humanBytes(this.#total)}`
    stderr.write(moving ? `\r\u001b[K${text}` : `${text}\n`)
  }

  end(): void {
    const { stderr, settings } = this.#world
    if (this.#shownAt > 0 && stderr.isTTY && settings.cursor) stderr.write('\r\u001b[K')
  }
}
