import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { syncFolder } from './store-mark.js'

/** Up to here files are synced one by one; above, the whole file system once, in a process of its own. */
const fewFiles = 32

/** Makes files below a directory durable, with their names. */
export async function settleFiles(directory: string, names: readonly string[]): Promise<void> {
  if (names.length > fewFiles) {
    // Node has no syncfs(2); coreutils' sync has had it since 8.24.
    await execa('sync', ['--file-system', directory], { env: { LC_ALL: 'C' } })
    return
  }
  const folders = new Set<string>()
  for (const name of names) {
    const path = join(directory, name)
    const file = await open(path, 'r')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
    folders.add(dirname(path))
  }
  for (const folder of folders) await syncFolder(folder)
}
