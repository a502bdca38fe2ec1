import { lstat, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../common/clock.js'

export interface DiskWatch {
  stop(): void
}

/** A measurement takes at most this share of the time. */
const largestShare = 0.05

/** Calls `onOver` with the bytes used once what is under a folder is over a limit; then looks no more. */
export function watchDisk(
  options: { readonly folder: string; readonly limitBytes: number; readonly everyMs: number },
  clock: Clock,
  onOver: (usedBytes: number) => void,
): DiskWatch {
  let stopped = false
  let timer = clock.timer(options.everyMs, look)
  function look(): void {
    const beganMs = clock.monotonic()
    usedBytes(options.folder, () => stopped)
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

/** Space that a folder's files take on disk, in bytes. What vanishes or can't be read meanwhile counts nothing. */
export async function usedBytes(folder: string, abandoned: () => boolean): Promise<number> {
  let total = 0
  const folders = [folder]
  for (let next = folders.pop(); next !== undefined && !abandoned(); next = folders.pop()) {
    const entries = await opendir(next).catch(() => undefined)
    if (!entries) continue
    for await (const entry of entries) {
      const path = join(next, entry.name)
      if (entry.isDirectory()) folders.push(path)
      else
        total += await lstat(path).then(
          (stat) => stat.blocks * 512,
          () => 0,
        )
    }
  }
  return total
}
