import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Inventory } from '../proto/model/link.js'

const version = 1

/** What the node offered when it was last looked at, for a start at which the runtime can't be asked. */
export async function keepInventory(file: string, inventory: Inventory): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify({ v: version, inventory }))
  await rename(`${file}.new`, file)
}

/** undefined: nothing was kept for this runtime, or it is damaged; then the runtime has to be waited for. */
export async function keptInventory(
  file: string,
  runtime: Inventory['runtime'],
): Promise<Inventory | undefined> {
  try {
    const kept = JSON.parse(await readFile(file, 'utf8')) as { v?: unknown; inventory?: Inventory }
    return kept.v === version && kept.inventory?.runtime === runtime ? kept.inventory : undefined
  } catch {
    return undefined
  }
}
