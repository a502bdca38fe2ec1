import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from './disk-errors.js'

/**
 * Makes a folder below `base` and whatever is missing between the two, never `base` itself: a store that goes away in the
 * middle must not be made anew where it was. Resolves with the topmost folder that it made. ENOENT: `base` is not there; EEXIST: a file
 * has the name.
 */
export async function makeFolderBelow(
  base: string,
  folder: string,
  mode: number,
): Promise<string | undefined> {
  if (folder === base) return undefined
  try {
    return await makeOne(folder, mode)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(folder) === base) throw error
    const above = await makeFolderBelow(base, dirname(folder), mode)
    const made = await makeOne(folder, mode)
    return above ?? made
  }
}

async function makeOne(folder: string, mode: number): Promise<string | undefined> {
  try {
    await mkdir(folder, { mode })
    return folder
  } catch (error) {
    if (systemCode(error) === 'EEXIST' && (await stat(folder)).isDirectory()) return undefined
    throw error
  }
}
