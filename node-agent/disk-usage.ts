import type { Stats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import type { Clock } from '../common/clock.js'

export interface DiskWatch {
  stop(): void
}

/** A measurement takes at most this share of the time. */
const largestShare = 0.05

/** What lies elsewhere is asked for at one look in so many: it costs an engine what it costs us to look at a folder. */
const looksPerElsewhere = 6

export interface DiskWatchOptions {
  readonly folder: string
  /** Bytes used outside of the folder. */
  readonly elsewhere: () => Promise<number>
  readonly limitBytes: number
  readonly everyMs: number
}

/**
 * Calls `onOver` with the bytes used once what is under a folder, together with what is elsewhere, is over a limit; then
 * looks no more.
 */
export function watchDisk(
  options: DiskWatchOptions,
  clock: Clock,
  onOver: (usedBytes: number) => void,
): DiskWatch {
  let stopped = false
  let looks = 0
  let elsewhereBytes = 0
  let timer = clock.timer(options.everyMs, look)
  async function measure(): Promise<number> {
    if (looks % looksPerElsewhere === 0)
      // While nobody can say, what was said last counts.
      elsewhereBytes = await options.elsewhere().catch(() => elsewhereBytes)
    looks += 1
    return elsewhereBytes + (await usedBytes(options.folder, () => stopped))
  }
  function look(): void {
    const beganMs = clock.monotonic()
    measure()
      .catch(() => 0)
      .then((bytes) => {
        if (stopped) return
        if (bytes > options.limitBytes) onOver(bytes)
        else {
          const tookMs = clock.monotonic() - beganMs
          timer = clock.timer(Math.max(options.everyMs, tookMs / largestShare), look)
        }
      })
      .catch(() => undefined)
  }
  return {
    stop() {
      stopped = true
      timer.cancel()
    },
  }
}

/**
 * Space that a folder's files take on disk, in bytes, each file once however many names it has. What vanishes or can't be
 * read meanwhile counts nothing. Paths are bytes: a folder's name need not be text.
 */
export async function usedBytes(folder: string, abandoned: () => boolean): Promise<number> {
  const seen = new Set<string>()
  let total = 0
  const folders = [Buffer.from(folder)]
  for (let next = folders.pop(); next !== undefined && !abandoned(); next = folders.pop()) {
    // Latin-1 keeps every byte, and takes a fraction of what a buffer for each name would.
    for (const name of await readdir(next, { encoding: 'latin1' }).catch(() => [])) {
      if (abandoned()) break
      const path = Buffer.concat([next, Buffer.from(`/${name}`, 'latin1')])
      const facts = await lstat(path).catch(() => undefined)
      if (facts?.isDirectory()) folders.push(path)
      if (!facts || isKnown(facts, seen)) continue
      total += facts.blocks * 512
    }
  }
  return total
}

/** Of most files there is nothing to remember: they have one name. A folder always has. */
function isKnown(facts: Stats, seen: Set<string>): boolean {
  if (facts.nlink === 1 || facts.isDirectory()) return false
  const file = `${facts.dev}:${facts.ino}`
  const known = seen.has(file)
  seen.add(file)
  return known
}
