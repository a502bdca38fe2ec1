import type { BigIntStats } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { RpcError } from '../../common/errors.js'
import { Folder } from './folder.js'

export interface WalkedEntry {
  readonly folder: Folder
  /** Names from the root to the folder. */
  readonly above: readonly string[]
  readonly name: string
  /** From the root on. */
  readonly path: string
  readonly facts: BigIntStats
}

/** Entries looked at before others get their turn. */
const entriesPerTurn = 200
const maxEntries = 2_000_000

/**
 * Visits everything below a folder, folders before what is in them; `visit` says of a folder whether to go in, and is
 * asked about its own `facts` only. Resolves with the paths that could not be looked at, the folder's own being empty.
 * FAILED_PRECONDITION for more than 2,000,000 entries: no other try will find fewer.
 */
export async function walkFolder(
  path: string,
  visit: (entry: WalkedEntry) => 'enter' | 'pass' | Promise<'enter' | 'pass'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const root = Folder.open(path)
  const missed: string[] = []
  let seen = 0
  try {
    const waiting: (readonly string[])[] = [[]]
    for (let above = waiting.pop(); above; above = waiting.pop()) {
      const folder = root.below(above)
      try {
        const names = folder?.names()
        if (!folder || !names) {
          missed.push(above.join('/'))
          continue
        }
        for (const name of names) {
          seen += 1
          if (seen % entriesPerTurn === 0) await setImmediate()
          signal.throwIfAborted()
          if (seen > maxEntries)
            throw new RpcError('FAILED_PRECONDITION', `The run's files are more than ${maxEntries}.`)
          const path = [...above, name].join('/')
          const facts = folder.facts(name)
          if (!facts) {
            missed.push(path)
            continue
          }
          const decision = visit({ folder, above, name, path, facts })
          const enter = (typeof decision === 'string' ? decision : await decision) === 'enter'
          if (enter && facts.isDirectory()) waiting.push([...above, name])
        }
      } finally {
        folder?.close()
      }
    }
  } finally {
    root.close()
  }
  return missed
}
