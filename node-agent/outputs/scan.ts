import { type BigIntStats, lstatSync } from 'node:fs'
import { RpcError } from '../../common/errors.js'
import { pathTrouble } from '../../spellfs/paths.js'
import { type Baseline, type BaselineFile, isUnchanged, readBaseline } from './baseline.js'
import { fileBlob, textBlob } from './blob-hash.js'
import { bytesFromName, printableName } from './names.js'
import { type NamedOutput, nameOutputs, quoted } from './output-names.js'
import { type WalkedEntry, walkFolder } from './walk.js'

export interface ScanOptions {
  /** Host folder that is `/spell` in the run. */
  readonly spellFolder: string
  /** Name of the repository's folder in it; undefined without a repository, or when `/spell` itself is its root. */
  readonly repositoryName: string | undefined
  /** undefined: nothing was there before the run. */
  readonly baselineFile: string | undefined
  /** How many more bytes files may have together than they use on disk. */
  readonly holesLimitBytes: number
}

/** What an ended run has made, found by comparing with the baseline. */
export interface OutputList {
  readonly spellFolder: string
  readonly outputs: readonly NamedOutput[]
  readonly count: number
  readonly totalBytes: number
  /** How many files and folders could not be looked at. */
  readonly missed: number
  /** About what is not saved, or under another name; for the run's log. */
  readonly lines: readonly string[]
}

/** Why a path is not saved that is there no more, or that the system does not give. */
export const cantBeRead = 'it vanished or can not be read'
const rootIsGone = 'Nothing is saved: the run took /spell away.'

/** Lines of one kind before the rest is only counted. */
const mostLines = 20

/**
 * Finds new and changed files and links; `.git` never counts, nor do tracked files that were touched but are equal. The
 * run may still write, swap and remove what it likes meanwhile.
 */
export async function scanOutputs(options: ScanOptions, signal: AbortSignal): Promise<OutputList> {
  const { spellFolder, baselineFile } = options
  if (!lstatSync(spellFolder, { throwIfNoEntry: false })?.isDirectory())
    return { spellFolder, outputs: [], count: 0, totalBytes: 0, missed: 0, lines: [rootIsGone] }
  const { baseline, line } = await baselineOf(baselineFile)
  const paths: string[] = []
  const passed: string[] = []
  let totalBytes = 0
  let holesBytes = 0
  const missed = await walkFolder(
    spellFolder,
    async (entry) => {
      if (entry.name === '.git') return 'pass'
      if (entry.facts.isDirectory()) return 'enter'
      const trouble = troubleOf(entry)
      if (trouble) passed.push(`${quoted(entry.path)} is not saved: ${trouble}.`)
      else if (!(await isOutput(entry, baseline))) return 'pass'
      else if (holesBytes + holesOf(entry) > options.holesLimitBytes)
        passed.push(`${quoted(entry.path)} is not saved: ${sparse(entry, options.holesLimitBytes)}.`)
      else {
        holesBytes += holesOf(entry)
        paths.push(entry.path)
        totalBytes += Number(entry.facts.size)
      }
      return 'pass'
    },
    signal,
  )
  const { named, lines } = nameOutputs(paths.sort(), options.repositoryName)
  passed.push(
    ...missed.map((path) => `${path === '' ? '/spell' : quoted(path)} is not saved: ${cantBeRead}.`),
  )
  return {
    spellFolder,
    outputs: named,
    count: named.length,
    totalBytes,
    missed: missed.length,
    lines: [...line, ...shortened(passed), ...shortened(lines)],
  }
}

/** Without the list nobody knows what is new. Everything is saved then: too much costs space, too little costs work. */
async function baselineOf(
  file: string | undefined,
): Promise<{ readonly baseline: Baseline; readonly line: readonly string[] }> {
  if (file === undefined) return { baseline: new Map(), line: [] }
  try {
    return { baseline: await readBaseline(file), line: [] }
  } catch (error) {
    if (!(error instanceof RpcError)) throw error
    return { baseline: new Map(), line: [`${error.message} So every file counts as new.`] }
  }
}

/** The first lines and how many more there are. */
export function shortened(lines: readonly string[]): readonly string[] {
  if (lines.length <= mostLines) return lines
  return [...lines.slice(0, mostLines), `… and ${lines.length - mostLines} more.`]
}

function troubleOf({ facts, path }: WalkedEntry): string | undefined {
  if (!facts.isFile() && !facts.isSymbolicLink()) return 'it is neither a file nor a link'
  return pathTrouble(printableName(path))
}

/**
 * Bytes of a file that were never written: `truncate` makes any number of them in no time and on no disk, and saving would
 * send every one.
 */
function holesOf({ facts }: WalkedEntry): number {
  return facts.isFile() ? Math.max(0, Number(facts.size) - usedOf(facts)) : 0
}

function usedOf(facts: BigIntStats): number {
  return Number(facts.blocks) * 512
}

function sparse({ facts }: WalkedEntry, limitBytes: number): string {
  return `it has ${facts.size} bytes and uses ${usedOf(facts)}, and such files may pretend to ${limitBytes} bytes in all`
}

async function isOutput(entry: WalkedEntry, baseline: Baseline): Promise<boolean> {
  const before = baseline.get(entry.path)
  return !before || !(isUnchanged(before, entry.facts) || (await isEqual(entry, before)))
}

/** Whether a touched file has the type, the executable bit and the content that git knows. */
async function isEqual({ folder, name, facts }: WalkedEntry, before: BaselineFile): Promise<boolean> {
  if (before.blob === '' || before.size !== Number(facts.size)) return false
  if ((before.mode & 0o170100) !== (Number(facts.mode) & 0o170100)) return false
  if (!facts.isSymbolicLink()) return (await fileBlob(folder, name, before.blob)) === before.blob
  const target = folder.linkTarget(name)
  return target !== undefined && textBlob(Buffer.from(bytesFromName(target)), before.blob) === before.blob
}
