import {
  close,
  closeSync,
  constants,
  type FSWatcher,
  fstatSync,
  open,
  openSync,
  read,
  readSync,
  watch,
} from 'node:fs'
import { promisify } from 'node:util'
import type { AttemptId } from '../../proto/model/attempt.js'
import { systemCode } from '../../spellfs/disk-errors.js'

const openFile = promisify(open)
const closeFile = promisify(close)
const readFile = promisify(read)

/** A plain process may put a link in the file's place, or a pipe that nobody writes to: nobody waits for that. */
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
const readOnly = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
/** There is no file of that name (any more), or a link. */
const gone: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ELOOP', 'ENXIO'])

/** A log that ended with no more than this is read in one go. */
const smallBytes = 16 * 1024

/** One attempt's log on its way to the leader, and what is known of it on both sides. Offsets are bytes of the log. */
export class LogSource {
  readonly id: AttemptId
  readonly file: string
  /** No more than this is sent before the final length is known. */
  readonly limitBytes: number
  /** Everything before is safe at the leader; undefined: it must be asked. */
  durable: number | undefined
  /** Up to here has been sent on the present stream. */
  sent = 0
  /** No byte is added any more. */
  finalBytes: number | undefined
  /** Nobody wants it, or it is gone from the disk: nothing more is sent. */
  over = false
  /** There may be bytes that were not sent. */
  dirty = false
  /** Chunks and questions of the present stream that the leader has not replied to. */
  unanswered = 0
  /** The leader was asked on the present stream. */
  asked = false
  /** Monotonic milliseconds at which it last grew, or was new. */
  grewAtMs: number
  #size = 0
  #fd: number | undefined
  #opening: Promise<number | undefined> | undefined
  #watcher: FSWatcher | undefined

  constructor(options: {
    id: AttemptId
    file: string
    limitBytes: number
    durable: number | undefined
    nowMs: number
  }) {
    this.id = options.id
    this.file = options.file
    this.limitBytes = options.limitBytes
    this.durable = options.durable
    this.grewAtMs = options.nowMs
  }

  get safe(): boolean {
    if (this.over) return true
    return this.finalBytes !== undefined && (this.durable ?? 0) >= this.finalBytes
  }

  get isWatched(): boolean {
    return this.#watcher !== undefined
  }

  /** How far it may be sent. */
  get ceiling(): number {
    return this.finalBytes ?? this.limitBytes
  }

  /** Whether it has grown since this was last asked. */
  async grew(): Promise<boolean> {
    const fd = await this.#open()
    if (fd === undefined) return false
    const size = sizeOf(fd)
    if (size === this.#size) return false
    this.#size = size
    return true
  }

  /** At most `maxBytes` from where sending has come to; none at the end of what there is. */
  async read(maxBytes: number): Promise<Buffer> {
    const length = Math.min(maxBytes, this.ceiling - this.sent)
    if (length <= 0) return Buffer.alloc(0)
    if (this.#fd === undefined && this.finalBytes !== undefined && this.finalBytes <= smallBytes)
      return this.#readSmall(length)
    const fd = await this.#open()
    if (fd === undefined) return Buffer.alloc(0)
    const wanted = Math.min(length, Math.max(sizeOf(fd) - this.sent, 0))
    const bytes = Buffer.allocUnsafe(wanted)
    const { bytesRead } = await readFile(fd, bytes, 0, wanted, this.sent)
    return bytes.subarray(0, bytesRead)
  }

  /** Calls `onChange` at the file's next change, once. false: it can't be watched (yet). */
  watch(onChange: () => void): boolean {
    try {
      this.#watcher = watch(this.file, { persistent: false }, () => {
        this.unwatch()
        onChange()
      })
      this.#watcher.on('error', () => this.unwatch())
      return true
    } catch {
      return false
    }
  }

  unwatch(): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.unwatch()
    const fd = this.#fd ?? (await this.#opening)
    this.#fd = undefined
    this.#opening = undefined
    if (fd !== undefined) await closeFile(fd)
  }

  /** A short log that has just been written lies in memory: this waits for no disk, and costs a tenth. */
  #readSmall(length: number): Buffer {
    let fd: number | undefined
    try {
      fd = openSync(this.file, readOnly)
      const bytes = Buffer.allocUnsafe(Math.min(length, Math.max(sizeOf(fd) - this.sent, 0)))
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, this.sent))
    } catch (error) {
      if (gone.has(systemCode(error))) return Buffer.alloc(0)
      throw error
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }

  async #open(): Promise<number | undefined> {
    if (this.#fd !== undefined) return this.#fd
    this.#opening ??= openFile(this.file, readOnly).catch((error: unknown) => {
      // What failed (too many open files, say) may succeed later.
      this.#opening = undefined
      if (gone.has(systemCode(error))) return undefined
      throw error
    })
    this.#fd = await this.#opening
    this.#opening = undefined
    return this.#fd
  }
}

function sizeOf(fd: number): number {
  const facts = fstatSync(fd)
  return facts.isFile() ? facts.size : 0
}
