import type { Failpoints } from '../../common/failpoint.js'
import type { Entry, Etcd } from './etcd.js'
import type { Keys } from './keys.js'
import type { Leadership } from './leadership.js'

export interface LoadParts {
  readonly etcd: Etcd
  readonly keys: Keys
  readonly leadership: Leadership
  readonly failpoints: Failpoints
}

const pageKeys = 1000

export interface Loaded {
  /** What the commit queue starts from. */
  readonly commitValue: string | undefined
  /** All was read as of this revision. */
  readonly revision: number
}

/**
 * The whole state at one revision later than the election, page by page in the order of keys; `visit` gets each entry once.
 * Between pages the loop runs on, so that the lease is renewed however much there is. Rejects when leadership ends and with
 * EtcdError; what was visited till then must be thrown away.
 */
export async function loadState(parts: LoadParts, visit: (entry: Entry) => void): Promise<Loaded> {
  const { etcd, keys, leadership, failpoints } = parts
  failpoints.reach('take-over.before-load')
  let commitValue: string | undefined
  const revision = await loadPrefix(
    etcd,
    keys.prefix,
    (entry) => {
      if (entry.key === keys.commit) commitValue = entry.value
      visit(entry)
    },
    leadership,
  )
  failpoints.reach('take-over.after-load')
  return { commitValue, revision }
}

/** Every key that begins with `prefix`, all at the revision that is returned. */
export async function loadPrefix(
  etcd: Etcd,
  prefix: string,
  visit: (entry: Entry) => void,
  leadership?: Pick<Leadership, 'assertLeading'>,
): Promise<number> {
  let page = await etcd.range({ prefix, limit: pageKeys })
  const { revision } = page
  for (;;) {
    leadership?.assertLeading()
    for (const entry of page.entries) visit(entry)
    if (page.next === undefined) return revision
    page = await etcd.range({ prefix, from: page.next, limit: pageKeys, revision })
  }
}
