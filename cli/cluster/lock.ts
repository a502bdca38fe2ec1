import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { invariant } from '../../common/errors.js'
import { Failure } from '../failure.js'
import type { Layout } from './layout.js'
import { identityOf, isAlive, type ProcessIdentity } from './process-table.js'
import { writeWhole } from './write-whole.js'

// One process at a time may change what runs in a cluster's folder: `up` and `down` while they work, then the supervisor.
// The lock is a file that names its holder; a holder that has died holds nothing.

/** Throws Failure when another holds it: `refusal` of its holder. */
export function takeLock(layout: Layout, refusal = clusterInUse): void {
  const mine = identityOf(process.pid)
  invariant(mine, 'a running process is in the process table')
  const draft = `${layout.lockFile}.${process.pid}`
  writeFileSync(draft, JSON.stringify(mine), { mode: 0o600 })
  try {
    // A second try after a dead holder's file was taken away; a third would race with somebody else's first.
    if (!link(draft, layout.lockFile)) {
      const holder = lockHolder(layout)
      if (holder) throw refusal(layout, holder)
      rmSync(layout.lockFile, { force: true })
      if (!link(draft, layout.lockFile)) throw refusal(layout, lockHolder(layout))
    }
  } finally {
    rmSync(draft, { force: true })
  }
}

/** To a process that is to hold it from now on. */
export function handLockTo(layout: Layout, holder: ProcessIdentity): void {
  writeWhole(layout.lockFile, JSON.stringify(holder))
}

export function releaseLock(layout: Layout): void {
  rmSync(layout.lockFile, { force: true })
}

/** The living holder. */
export function lockHolder(layout: Layout): ProcessIdentity | undefined {
  try {
    const holder = JSON.parse(readFileSync(layout.lockFile, 'utf8')) as ProcessIdentity
    return isAlive(holder) ? holder : undefined
  } catch {
    return undefined
  }
}

function clusterInUse(layout: Layout, holder: ProcessIdentity | undefined): Failure {
  const who = holder ? ` (process ${holder.pid})` : ''
  return new Failure(
    'error',
    `${layout.dir} is in use: a cluster is up in it, or is just being brought up or down${who}. ` +
      `See "spell cluster status --dir ${layout.dir}"; "spell cluster down --dir ${layout.dir}" ends it.`,
  )
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    if (!withoutLinks.has(code)) throw error
    return create(from, to)
  }
}

/** What file systems say that have no hard links. */
const withoutLinks: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/** The same there: for the moment between the two calls the lock names nobody. */
function create(from: string, to: string): boolean {
  const content = readFileSync(from)
  try {
    writeFileSync(to, content, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
