import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
} from 'node:fs'
import { systemCode } from '../../spellfs/disk-errors.js'
import { isFileTrouble } from './file-trouble.js'
import { bytesFromName, nameFromBytes } from './names.js'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants

/**
 * An open folder below which a run may do what it likes. Everything is asked for by its name within the folder that is
 * open (through `/proc/self/fd`, which is what openat does) and no link is followed, so that a folder swapped for a link
 * leads nowhere. The agent may be root: nothing may reach the run's files in another way. Linux only.
 *
 * Calls are synchronous: one costs some microseconds, an asynchronous one ten times as much. undefined is answered for
 * what is not there (any more), is of another kind, may not be read, or lies where the disk is broken: one such thing
 * must not cost the others.
 */
export class Folder {
  readonly fd: number

  private constructor(fd: number) {
    this.fd = fd
  }

  /** Throws when there is no folder at the path, or a link. */
  static open(path: string): Folder {
    return new Folder(openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
  }

  /** The folder at a path of names below this one; a path without names opens this one again. */
  below(names: readonly string[]): Folder | undefined {
    let folder = attempt(() => new Folder(openSync(this.#at('.'), O_RDONLY | O_DIRECTORY)))
    for (const name of names) {
      const next = folder?.folder(name)
      folder?.close()
      folder = next
    }
    return folder
  }

  folder(name: string): Folder | undefined {
    return attempt(() => new Folder(openSync(this.#at(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW)))
  }

  names(): readonly string[] | undefined {
    return attempt(() => readdirSync(this.#at('.'), { encoding: 'buffer' }))?.map(nameFromBytes)
  }

  facts(name: string): BigIntStats | undefined {
    return attempt(() => lstatSync(this.#at(name), { bigint: true }))
  }

  ownFacts(): BigIntStats {
    return fstatSync(this.fd, { bigint: true })
  }

  /** A descriptor for reading; the caller looks at what it has opened, and closes it. */
  openFile(name: string): number | undefined {
    return attempt(() => openSync(this.#at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY))
  }

  linkTarget(name: string): string | undefined {
    return attempt(() => nameFromBytes(readlinkSync(this.#at(name), { encoding: 'buffer' })))
  }

  /** Makes a folder unless something of that name is there. */
  make(name: string): void {
    try {
      mkdirSync(this.#at(name), 0o755)
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
  }

  giveTo(name: string, owner: { readonly uid: number; readonly gid: number }): void {
    lchownSync(this.#at(name), owner.uid, owner.gid)
  }

  /** What its owner may not do with a folder he may from now on. `facts` are the folder's. */
  openToOwner(name: string, { mode }: BigIntStats): void {
    if ((mode & 0o700n) !== 0o700n) attempt(() => chmodSync(this.#at(name), Number(mode & 0o7777n) | 0o700))
  }

  close(): void {
    closeSync(this.fd)
  }

  #at(name: string): string | Buffer {
    const own = `/proc/self/fd/${this.fd}/`
    const bytes = bytesFromName(name)
    return typeof bytes === 'string' ? own + bytes : Buffer.concat([Buffer.from(own), bytes])
  }
}

function attempt<Result>(action: () => Result): Result | undefined {
  try {
    return action()
  } catch (error) {
    if (!isFileTrouble(error)) throw error
    return undefined
  }
}
