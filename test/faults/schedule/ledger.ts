import { readFileSync, writeFileSync } from 'node:fs'

/** What the attempts of a schedule have noted themselves, each line in one write. */
export class Ledger {
  readonly file: string

  constructor(file: string) {
    this.file = file
    writeFileSync(file, '')
  }

  read(): LedgerPage {
    const page = { started: new Map<string, number>(), ready: new Set<string>(), ended: new Set<string>() }
    const faults: string[] = []
    for (const line of readFileSync(this.file, 'utf8').split('\n')) {
      const [word = '', key = '', more = ''] = line.split(' ')
      if (word === 'start' && page.started.has(key)) faults.push(`attempt ${key} was started twice`)
      if (word === 'start') page.started.set(key, Number(more))
      if (word === 'ready') page.ready.add(key)
      if (word === 'end') page.ended.add(key)
      if (word === 'overlap') faults.push(`attempt ${key} found its device ${more} in use`)
    }
    return { ...page, faults }
  }
}

export interface LedgerPage {
  /** By attempt: the work that it does. */
  readonly started: ReadonlyMap<string, number>
  /** Those that wait to be stopped or killed. */
  readonly ready: ReadonlySet<string>
  /** Those that came to their end by themselves. */
  readonly ended: ReadonlySet<string>
  /** Broken promises, each a sentence. */
  readonly faults: readonly string[]
}

export const runOf = (key: string): number => Number(key.split('.')[0])
export const attemptOf = (key: string): number => Number(key.split('.')[1])
