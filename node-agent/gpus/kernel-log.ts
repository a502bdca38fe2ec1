import { closeSync, constants, openSync, readSync } from 'node:fs'
import { busIdIn } from './smi-values.js'

export interface KernelLogSettings {
  /** `/dev/kmsg`, or a file with lines like its. */
  readonly file: string
  /** Older lines, which an earlier agent may have seen, are left out. */
  readonly newestMs: number
}

/**
 * Errors by which the NVIDIA driver says that a GPU can't be relied on
 * (https://docs.nvidia.com/deploy/xid-errors/). Those that a program makes by itself (13, 31, 43, 45) are not among them.
 */
const fatalXids: Readonly<Record<number, string>> = {
  48: 'an uncorrectable memory error',
  62: 'its microcontroller has halted',
  64: 'memory could not be remapped or retired',
  74: 'an NVLink error',
  79: 'it has fallen off the bus',
  94: 'a contained uncorrectable memory error',
  95: 'an uncontained uncorrectable memory error',
  110: 'a security fault',
  119: 'its system processor does not answer',
  120: 'an error of its system processor',
  140: 'an unrecovered memory error',
  143: 'it could not be initialized',
}

/** So many records are taken at once; the kernel's buffer has fewer. */
const mostRecords = 100_000
/** A record is at most 8 KiB, and a smaller buffer is refused. */
const recordBytes = 16 * 1024

/** What the kernel says of GPUs. Where its log may not be read there is nothing. */
export class KernelLog {
  readonly #settings: KernelLogSettings
  /** Milliseconds since the machine started, as the kernel dates its lines. */
  readonly #bootMs: () => number
  #fd: number | undefined
  #rest = ''

  constructor(settings: KernelLogSettings, bootMs: () => number) {
    this.#settings = settings
    this.#bootMs = bootMs
  }

  /** By place on the bus, the newest reason to do without a GPU that was logged since the last call. */
  news(): ReadonlyMap<string, string> {
    const oldestMs = this.#bootMs() - this.#settings.newestMs
    return gpuTroubles(this.#lines(), oldestMs)
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  /** Never waits: the kernel answers EAGAIN when there is no more. */
  #lines(): readonly string[] {
    const buffer = Buffer.alloc(recordBytes)
    let text = this.#rest
    try {
      this.#fd ??= openSync(this.#settings.file, constants.O_RDONLY | constants.O_NONBLOCK)
      for (let records = 0; records < mostRecords; records += 1) {
        const bytes = readRecord(this.#fd, buffer)
        if (bytes === 0) break
        text += buffer.toString('utf8', 0, bytes)
      }
    } catch (error) {
      // EAGAIN: that was all. Any other: it can't be read here, and nothing depends on it.
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
    }
    const lines = text.split('\n')
    this.#rest = lines.pop()?.slice(0, recordBytes) ?? ''
    return lines
  }
}

function readRecord(fd: number, buffer: Buffer): number {
  for (;;) {
    try {
      return readSync(fd, buffer)
    } catch (error) {
      // Records were overwritten before they were read; the next is the oldest there is.
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
    }
  }
}

/** Lines of the kernel's own, `facility and level,number,microseconds since boot,…;text`; those without a date count too. */
export function gpuTroubles(lines: readonly string[], oldestMs: number): ReadonlyMap<string, string> {
  const troubles = new Map<string, string>()
  for (const line of lines) {
    const {
      priority,
      us,
      text = line,
    } = /^(?<priority>\d+),\d+,(?<us>\d+),[^;]*;(?<text>.*)$/.exec(line)?.groups ?? {}
    if (priority !== undefined && Number(priority) >> 3 !== 0) continue
    if (us !== undefined && Number(us) / 1000 < oldestMs) continue
    const { place = '', number } = /NVRM: Xid \((?<place>[^)]*)\): (?<number>\d+)/.exec(text)?.groups ?? {}
    const busId = busIdIn(place)
    const meaning = fatalXids[Number(number)]
    if (busId !== '' && meaning !== undefined)
      troubles.set(busId, `The kernel has logged Xid ${number} of it: ${meaning}.`)
  }
  return troubles
}
