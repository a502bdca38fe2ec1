import { type BigIntStats, constants } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { RpcError } from '../../common/errors.js'
import { systemCode } from '../../spellfs/disk-errors.js'
import { isFileTrouble } from './file-trouble.js'
import { walkFolder } from './walk.js'

/** What a file was when the run started. Times are nanoseconds as text, inodes as text: they exceed a number. */
export interface BaselineFile {
  readonly size: number
  readonly modifiedNs: string
  readonly changedNs: string
  readonly inode: string
  readonly mode: number
  /** Git's hash of the content (of the target, for a link); empty when the content isn't a blob as it is. */
  readonly blob: string
}

/** By path from `/spell` on. */
export type Baseline = ReadonlyMap<string, BaselineFile>

export interface TrackedFile {
  readonly blob: string
  readonly size: number
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface BaselineOptions {
  readonly spellFolder: string
  /** Files of the checkout by path from `/spell` on. */
  readonly tracked: ReadonlyMap<string, TrackedFile>
  /** Who gets everything; undefined: owners stay. */
  readonly owner: Owner | undefined
}

/** Gives all below `/spell` to its owner, and notes what is there. Nothing of the run may be started yet. */
export async function makeBaseline(options: BaselineOptions, signal: AbortSignal): Promise<Baseline> {
  const { owner, tracked } = options
  const baseline = new Map<string, BaselineFile>()
  await walkFolder(
    options.spellFolder,
    ({ folder, name, path, facts }) => {
      let now = facts
      if (owner && (Number(facts.uid) !== owner.uid || Number(facts.gid) !== owner.gid)) {
        folder.giveTo(name, owner)
        now = folder.facts(name) ?? facts
      }
      if (facts.isDirectory()) return 'enter'
      if (!path.split('/').includes('.git')) baseline.set(path, baselineFile(now, tracked.get(path)))
      return 'pass'
    },
    signal,
  )
  return baseline
}

export function isUnchanged(file: BaselineFile, facts: BigIntStats): boolean {
  return (
    file.size === Number(facts.size) &&
    file.modifiedNs === String(facts.mtimeNs) &&
    file.changedNs === String(facts.ctimeNs) &&
    file.inode === String(facts.ino) &&
    file.mode === Number(facts.mode)
  )
}

/** One JSON array a line, so that a large one needs no second copy in memory. */
export async function writeBaseline(path: string, baseline: Baseline): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    let lines = [JSON.stringify({ v: 1, files: baseline.size })]
    for (const [name, { size, modifiedNs, changedNs, inode, mode, blob }] of baseline) {
      lines.push(JSON.stringify([name, size, modifiedNs, changedNs, inode, mode, blob]))
      if (lines.length < 1000) continue
      await file.write(`${lines.join('\n')}\n`)
      lines = []
    }
    await file.write(`${lines.join('\n')}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}

/** A plain process may have put a link in its place, or a pipe that nobody writes to: that is not waited for. */
const readOnly = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** DATA_LOSS when it is damaged or gone. */
export async function readBaseline(path: string): Promise<Baseline> {
  try {
    return parseBaseline(await readFile(path, { encoding: 'utf8', flag: readOnly }))
  } catch (error) {
    if (systemCode(error) !== undefined && !isFileTrouble(error)) throw error
    throw new RpcError('DATA_LOSS', `The list of files before the run is damaged: ${path}.`, { cause: error })
  }
}

function parseBaseline(text: string): Baseline {
  const [head, ...lines] = text.split('\n').filter((line) => line !== '')
  const { v, files } = JSON.parse(head ?? '{}') as { v?: unknown; files?: unknown }
  if (v !== 1 || files !== lines.length) throw new Error(`it says ${files} files and has ${lines.length}`)
  return new Map(
    lines.map((line) => {
      const [name, size, modifiedNs, changedNs, inode, mode, blob] = JSON.parse(line) as BaselineLine
      return [name, { size, modifiedNs, changedNs, inode, mode, blob }]
    }),
  )
}

type BaselineLine = [string, number, string, string, string, number, string]

function baselineFile(facts: BigIntStats, tracked: TrackedFile | undefined): BaselineFile {
  return {
    size: Number(facts.size),
    modifiedNs: String(facts.mtimeNs),
    changedNs: String(facts.ctimeNs),
    inode: String(facts.ino),
    mode: Number(facts.mode),
    // Line ends or an encoding that git changed on the way out show in the size.
    blob: tracked && tracked.size === Number(facts.size) ? tracked.blob : '',
  }
}
