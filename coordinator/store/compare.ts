import type { Compare } from './etcd.js'

/** Holds while `key` is as it was read; undefined stands for a key that wasn't there. */
export function unchanged(key: string, value: string | undefined): Compare {
  return value === undefined
    ? { kind: 'createRevision', key, equals: 0 }
    : { kind: 'value', key, equals: value }
}
