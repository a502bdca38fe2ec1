import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { RpcError } from '../common/errors.js'
import { diskTrouble, systemCode } from './disk-errors.js'

// A directory store proves itself by a small file that names its cluster: an empty mount point, another cluster's store or
// a wrong path is noticed before anything is read or written.

/** Of the names in a store that are Spell's own; nobody but its owner looks into it. */
export const internalFolder = '.spell'
export const internalFolderMode = 0o700
export const markPath = `${internalFolder}/mark`

/**
 * Makes a directory the store of a cluster. Safe to repeat. FAILED_PRECONDITION when it is another cluster's, or holds
 * files of something else.
 */
export async function markDirectoryStore(directory: string, cluster: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true })
    const found = await readMark(directory)
    if (found === cluster) return
    if (found !== undefined)
      throw new RpcError(
        'FAILED_PRECONDITION',
        `${directory} is the store of the cluster ${found}, not of ${cluster}.`,
      )
    const others = (await readdir(directory)).filter(
      (name) => name !== internalFolder && name !== 'lost+found',
    )
    if (others.length > 0)
      throw new RpcError(
        'FAILED_PRECONDITION',
        `${directory} cannot become the store: it is not empty (${others[0]}).`,
      )
    await writeMark(directory, cluster)
  } catch (error) {
    throw diskTrouble(`The store at ${directory}`, error)
  }
}

/** The cluster that the store in this directory belongs to; undefined without a mark. */
export async function readMark(directory: string): Promise<string | undefined> {
  try {
    const mark: unknown = JSON.parse(await readFile(join(directory, markPath), 'utf8'))
    return typeof mark === 'object' && mark !== null && 'cluster' in mark ? String(mark.cluster) : undefined
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined
    throw error
  }
}

async function writeMark(directory: string, cluster: string): Promise<void> {
  const mark = join(directory, markPath)
  await mkdir(join(directory, internalFolder), { recursive: true, mode: internalFolderMode })
  const file = await open(`${mark}.new`, 'w', 0o600)
  try {
    await file.writeFile(`${JSON.stringify({ v: 1, cluster })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${mark}.new`, mark)
  for (const folder of [join(directory, internalFolder), directory]) await syncFolder(folder)
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
