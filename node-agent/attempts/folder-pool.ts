import { lstatSync, mkdirSync, readdirSync, renameSync, type Stats, truncateSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { AttemptFolders } from './folders.js'

/** Kept for the next runs at most. */
const maxSpares = 256
/** Of an attempt's folder; the output is emptied. */
const kept: ReadonlySet<string> = new Set(['control', 'spell', 'output'])
const sparePrefix = '.spare-'

/** What `/spell` looked like before its run could touch it. */
export interface Untouched {
  readonly changedAtMs: number
  readonly inode: number
}

/**
 * Makes the folders of attempts, and uses those of earlier ones again. Making and removing folders and files costs a file
 * system more than everything else about a short run: ext4 looks past every inode that was freed in the last minutes
 * before it takes one (recently_deleted in fs/ext4/ialloc.c), hundreds of microseconds a file at a thousand a second. Only what a run has left exactly as it got it is used again: the
 * change time of `/spell` moves with every file made there and with every change of owner, mode or attributes.
 *
 * The calls are synchronous: each takes microseconds, a fifth of what its asynchronous form takes.
 */
export class FolderPool {
  readonly #attemptsFolder: string
  readonly #spares: string[] = []
  #made = 0

  constructor(attemptsFolder: string) {
    this.#attemptsFolder = attemptsFolder
  }

  /** To be repeated as one likes. */
  make(folders: AttemptFolders): void {
    if (this.#reuse(folders)) return
    mkdirSync(folders.control, { recursive: true })
    mkdirSync(folders.spell, { recursive: true })
  }

  /** Takes note of `/spell` right before its run may begin; for `giveBack`. */
  look(folders: AttemptFolders): Untouched {
    return untouched(lstatSync(folders.spell))
  }

  /** Nothing was made in `/spell`, and nothing about it changed. */
  isUntouched(folders: AttemptFolders, before: Untouched): boolean {
    const facts = lstatSync(folders.spell, { throwIfNoEntry: false })
    if (!facts) return false
    const { changedAtMs, inode } = untouched(facts)
    return changedAtMs === before.changedAtMs && inode === before.inode
  }

  /** true: they are gone, to be used again. false: they must be removed. */
  giveBack(folders: AttemptFolders, before: Untouched): boolean {
    if (this.#spares.length >= maxSpares) return false
    try {
      if (!this.isUntouched(folders, before)) return false
      for (const name of readdirSync(folders.control))
        if (lstatSync(join(folders.control, name)).size > 0) return false
      for (const name of readdirSync(folders.folder))
        if (!kept.has(name)) unlinkSync(join(folders.folder, name))
      const output = lstatSync(folders.output, { throwIfNoEntry: false })
      if (output && !output.isFile()) return false
      if (output) truncateSync(folders.output)
      this.#made += 1
      const spare = join(this.#attemptsFolder, `${sparePrefix}${this.#made}`)
      renameSync(folders.folder, spare)
      this.#spares.push(spare)
      return true
    } catch {
      // Whatever is in the way, removing will meet it again and say so.
      return false
    }
  }

  #reuse(folders: AttemptFolders): boolean {
    if (this.#spares.length === 0 || lstatSync(folders.folder, { throwIfNoEntry: false })) return false
    const spare = this.#spares.pop()
    if (spare === undefined) return false
    try {
      renameSync(spare, folders.folder)
      return true
    } catch {
      return false
    }
  }
}

function untouched(facts: Stats): Untouched {
  return { changedAtMs: facts.ctimeMs, inode: facts.ino }
}

/** Left by an earlier process, which alone knew how they were. */
export function isSpare(name: string): boolean {
  return name.startsWith(sparePrefix)
}
