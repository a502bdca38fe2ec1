import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  createWriteStream,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  type WriteStream,
} from 'node:fs'
import { dirname, isAbsolute, join, normalize, resolve } from 'node:path'
import { finished } from 'node:stream/promises'
import { messageOf } from '../../common/errors.js'
import type { FileEntry__Output } from '../../proto/gen/spell/v1/FileEntry.js'
import type { FilePart__Output } from '../../proto/gen/spell/v1/FilePart.js'
import type { Api } from '../api.js'
import { Failure } from '../failure.js'
import { announceSlow } from '../output/announce-slow.js'
import { humanBytes } from '../output/bytes.js'
import { note, type World } from '../world.js'
import { placeBelow, whatIsAt } from './place.js'

export type Existing = (name: string) => Promise<'overwrite' | 'skip'>

export interface DownloadWish {
  /** As the API names it. */
  readonly path: string
  readonly localDir: string
  /** Asked for each file that is here already. */
  readonly existing: Existing
}

interface OpenFile {
  readonly entry: FileEntry__Output
  readonly place: string
  /** Beside its place, until all of it is there. */
  readonly temporary: string
  readonly stream: WriteStream
  bytes: number
}

/** Copies a file, or all below a folder. A file appears under its name when it is whole. */
export class Download {
  readonly #api: Api
  readonly #world: World
  readonly #wish: DownloadWish
  readonly #root: string
  #open: OpenFile | undefined
  #copied = 0
  #skipped = 0

  constructor(api: Api, world: World, wish: DownloadWish) {
    this.#api = api
    this.#world = world
    this.#wish = wish
    this.#root = resolve(world.cwd, wish.localDir)
  }

  /** Throws the signal's reason when that stops it, with nothing left of the file that was on its way. */
  async perform(signal: AbortSignal): Promise<{ readonly copied: number; readonly skipped: number }> {
    const base = partLeftOut(this.#wish.path)
    const slow = announceSlow(this.#world, `Copying ${this.#wish.path}`)
    try {
      const request = { path: this.#wish.path, recursive: true }
      for await (const part of this.#api.stream<FilePart__Output>('Files', 'Read', request, signal)) {
        slow.end()
        if (part.entry) await this.#begin(part.entry, base)
        if (part.data.length > 0) await this.#write(part.data)
      }
      await this.#end()
    } catch (error) {
      await this.#abandon()
      throw isSystemError(error) ? couldNotWrite(this.#root, error) : error
    } finally {
      slow.end()
    }
    return { copied: this.#copied, skipped: this.#skipped }
  }

  async #begin(entry: FileEntry__Output, base: string): Promise<void> {
    await this.#end()
    if (!entry.path.startsWith(base)) {
      throw new Failure('error', `The cluster sent '${entry.path}', which is not part of ${this.#wish.path}.`)
    }
    const name = entry.path.slice(base.length)
    mkdirSync(this.#root, { recursive: true })
    if (name === '') return
    if (entry.kind === 'DIRECTORY') {
      mkdirSync(dirname(placeBelow(this.#root, `${name}/x`)), { recursive: true })
      return
    }
    const place = placeBelow(this.#root, name)
    if (!(await this.#mayWrite(place, name))) return
    if (entry.kind === 'LINK') return this.#link(entry, name, place)
    // Not made of the file's own name, which may be as long as names can be.
    const temporary = join(dirname(place), `.spell-${randomBytes(6).toString('hex')}.part`)
    const stream = createWriteStream(temporary, { flags: 'wx', mode: 0o777 & (entry.mode || 0o644) })
    await once(stream, 'open')
    // Looked at before each write, and at the end: a full disk may be told while we wait for the cluster.
    stream.on('error', () => undefined)
    this.#open = { entry, place, temporary, stream, bytes: 0 }
  }

  async #mayWrite(place: string, name: string): Promise<boolean> {
    const there = whatIsAt(place)
    if (!there) return true
    if (there.isDirectory()) {
      throw new Failure('error', `'${name}' cannot be copied: a folder of that name is there.`)
    }
    if ((await this.#wish.existing(name)) === 'overwrite') return true
    this.#skipped += 1
    return false
  }

  async #write(data: Buffer): Promise<void> {
    const open = this.#open
    if (!open) return
    if (open.stream.errored) throw open.stream.errored
    open.bytes += data.length
    if (!open.stream.write(data)) await once(open.stream, 'drain')
  }

  /** What is open is whole: it gets its time, its mode and its name. */
  async #end(): Promise<void> {
    const open = this.#open
    if (!open) return
    open.stream.end()
    await finished(open.stream)
    if (open.bytes !== open.entry.sizeBytes) {
      throw new Failure(
        'error',
        `'${open.entry.path}' did not arrive whole: ${open.bytes} of ${open.entry.sizeBytes} bytes (${humanBytes(open.bytes)}).`,
      )
    }
    if (open.entry.modifiedAtMs > 0) {
      const seconds = open.entry.modifiedAtMs / 1000
      utimesSync(open.temporary, seconds, seconds)
    }
    renameSync(open.temporary, open.place)
    this.#open = undefined
    this.#copied += 1
  }

  /** A link is copied where it points to something of what is copied; another one would lead out of the folder. */
  #link(entry: FileEntry__Output, name: string, place: string): void {
    const target = entry.linkTarget
    if (!staysInside(name, target)) {
      note(this.#world, `Left out: '${name}' is a link to '${target}', outside of the folder.`)
      this.#skipped += 1
      return
    }
    rmSync(place, { force: true })
    symlinkSync(target, place)
    this.#copied += 1
  }

  async #abandon(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    if (!open) return
    open.stream.destroy()
    await finished(open.stream).catch(() => undefined)
    try {
      rmSync(open.temporary, { force: true })
    } catch (error) {
      note(this.#world, `Could not remove ${open.temporary}: ${messageOf(error)}`)
    }
  }
}

/** A run's own folder is left out of the names here; any other folder, and a file, keep their own name. */
function partLeftOut(path: string): string {
  if (/^runs\/[^/]+$/.test(path)) return `${path}/`
  return path.includes('/') ? `${dirname(path)}/` : ''
}

/** `..` may stand only at a target's beginning: behind another link it would lead who knows where. */
function staysInside(name: string, target: string): boolean {
  if (target === '' || isAbsolute(target) || /(^|\/)[^/]*[^/.][^/]*\/(.*\/)?\.\.(\/|$)/.test(target))
    return false
  const leads = normalize(join(dirname(name), target))
  return leads !== '..' && !leads.startsWith('../')
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error
}

function couldNotWrite(folder: string, error: Error): Failure {
  return new Failure('error', `Could not write to ${folder}: ${error.message}`, { cause: error })
}
