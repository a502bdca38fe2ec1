import { createHash, randomInt } from 'node:crypto'

// What a person types once to get in. 20 characters of Crockford's base 32 (https://www.crockford.com/base32.html), which
// has none that look alike, are 100 bits of chance: nobody who reads their hash in etcd can find them by trying.

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const groups = 5
const groupLength = 4

/** Such as `k7fq-29xm-p3wd-8hjt-0rsv`. */
export function newLoginCode(): string {
  const group = () => Array.from({ length: groupLength }, () => alphabet[randomInt(alphabet.length)]).join('')
  return Array.from({ length: groups }, group).join('-')
}

/** Of a code however it was typed: case, blanks and dashes don't matter, nor o for 0, i and l for 1. */
export function loginCodeHash(typed: string): string {
  const plain = typed
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
    .replaceAll('o', '0')
    .replaceAll(/[il]/g, '1')
  return createHash('sha256').update(plain).digest('hex')
}
