import { RpcError } from '../../common/errors.js'
import { nameFromBytes, printableName } from '../outputs/names.js'

export interface TreeFile {
  readonly path: string
  /** Git's: 100644, 100755 or 120000. */
  readonly mode: string
  readonly blob: string
  /** Of the content as git keeps it. */
  readonly size: number
}

const maxFiles = 1_000_000

/**
 * Reads `git ls-tree -r -l -z` and refuses (INVALID_ARGUMENT) what may not reach a disk: names that climb out or lead
 * into `.git`, a file that is also a folder, submodules, too many files, or more than `maxBytes` of them (0: no limit).
 * Git refuses most of these itself; a run's code comes from outside, so both look.
 */
export function readTree(output: Buffer, maxBytes: number): readonly TreeFile[] {
  const files: TreeFile[] = []
  let bytes = 0
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf(0, at)
    if (end < 0) throw refuse('the list of its files is cut')
    const file = treeFile(output.subarray(at, end))
    files.push(file)
    bytes += file.size
    at = end + 1
    if (files.length > maxFiles) throw refuse(`it has more than ${maxFiles} files`)
  }
  if (maxBytes > 0 && bytes > maxBytes)
    throw new RpcError(
      'RESOURCE_EXHAUSTED',
      `The code has ${bytes} bytes of files, more than the ${maxBytes} that the run may write.`,
    )
  refuseFilesAsFolders(files)
  return files
}

function treeFile(line: Buffer): TreeFile {
  const tab = line.indexOf(9)
  const [mode = '', type, blob = '', size] = line.toString('latin1', 0, tab).split(/ +/)
  const path = nameFromBytes(line.subarray(tab + 1))
  if (type !== 'blob' || !/^(100644|100664|100755|120000)$/.test(mode))
    throw refuse(`${JSON.stringify(printableName(path))} is a submodule or of an unknown kind`)
  for (const segment of path.split('/'))
    if (segment === '' || segment === '.' || segment === '..' || isGitFolder(segment))
      throw refuse(`the path ${JSON.stringify(printableName(path))} leads out of it`)
  return { path, mode, blob, size: Number(size) }
}

function isGitFolder(segment: string): boolean {
  return segment.toLowerCase() === '.git' || segment.toLowerCase() === 'git~1'
}

function refuseFilesAsFolders(files: readonly TreeFile[]): void {
  const paths = new Set(files.map((file) => file.path))
  if (paths.size !== files.length) throw refuse('two of its files have one name')
  const checked = new Set<string>()
  for (const { path } of files)
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const folder = path.slice(0, slash)
      if (checked.has(folder)) break
      checked.add(folder)
      if (paths.has(folder))
        throw refuse(`${JSON.stringify(printableName(folder))} is both a file and a folder`)
    }
}

function refuse(why: string): RpcError {
  return new RpcError('INVALID_ARGUMENT', `The run's code is refused: ${why}.`)
}
