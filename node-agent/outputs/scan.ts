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
}

/** What an ended run has made, found by comparing with the baseline. */
export interface OutputList {
  readonly spellFolder: string
  readonly outputs: readonly NamedOutput[]
  readonly count: number
  readonly totalBytes: number
  /** About what is not saved, or under another name; for the run's log. */
  readonly lines: readonly string[]
}

/** Lines of one kind before the rest is only counted. */
const mostLines = 20

/**
 * Finds new and changed files and links; `.git` never counts, nor do tracked files that were touched but are equal. The
 * run may still write, swap and remove what it likes meanwhile.
 */
export async function scanOutputs(options: ScanOptions, signal: AbortSignal): Promise<OutputList> {
  const { baselineFile } = options
  const baseline: Baseline = baselineFile === undefined ? new Map() : await readBaseline(baselineFile)
  const paths: string[] = []
  const passed: string[] = []
  let totalBytes = 0
  await walkFolder(
    options.spellFolder,
    async (entry) => {
      if (entry.name === '.git') return 'pass'
      if (entry.facts.isDirectory()) return 'enter'
      const trouble = troubleOf(entry)
      if (trouble) passed.push(`${quoted(entry.path)} is not saved: ${trouble}.`)
      else if (await isOutput(entry, baseline)) {
        paths.push(entry.path)
        totalBytes += Number(entry.facts.size)
      }
      return 'pass'
    },
    signal,
  )
  const { named, lines } = nameOutputs(paths.sort(), options.repositoryName)
  return {
    spellFolder: options.spellFolder,
    outputs: named,
    count: named.length,
    totalBytes,
    lines: [...shortened(passed), ...shortened(lines)],
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
