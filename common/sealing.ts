import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { messageOf, RpcError } from './errors.js'

// Secrets that lie in etcd, its backups or the store are sealed with the cluster's key, which lies on every coordinator's
// disk (`cluster.key`, 0600) and nowhere else. AES-256-GCM (NIST SP 800-38D): 96 random bits of nonce, 128 of tag. What a
// secret is for goes in as associated data, so that one can't be put in another's place.

const prefix = 'sealed:1:'
const lengths = { key: 32, nonce: 12, tag: 16 } as const

/** 32 random bytes; the file has them in Base64. */
export function newClusterKey(): Buffer {
  return randomBytes(lengths.key)
}

export function clusterKeyText(key: Buffer): string {
  return `${key.toString('base64')}\n`
}

/** FAILED_PRECONDITION: the file cannot be read or is no key. */
export function readClusterKey(file: string): Buffer {
  const key = Buffer.from(readText(file).trim(), 'base64')
  if (key.length === lengths.key) return key
  throw new RpcError('FAILED_PRECONDITION', `${file} holds no cluster key.`)
}

/** `purpose` says what the text is and whose: `env 17 API_KEY`. */
export function seal(key: Buffer, purpose: string, text: string): string {
  const nonce = randomBytes(lengths.nonce)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return prefix + Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
}

/** FAILED_PRECONDITION: it was sealed with another key, for another purpose, or is not whole. */
export function unseal(key: Buffer, purpose: string, sealed: string): string {
  try {
    const bytes = Buffer.from(sealed.slice(prefix.length), 'base64')
    const nonce = bytes.subarray(0, lengths.nonce)
    const tag = bytes.subarray(lengths.nonce, lengths.nonce + lengths.tag)
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: lengths.tag })
    decipher.setAAD(Buffer.from(purpose)).setAuthTag(tag)
    const text = decipher.update(bytes.subarray(lengths.nonce + lengths.tag))
    return Buffer.concat([text, decipher.final()]).toString('utf8')
  } catch (cause) {
    throw new RpcError('FAILED_PRECONDITION', 'A secret was sealed with another cluster key.', { cause })
  }
}

/** HMAC-SHA-256 in hex: the same for the same text, and nobody without the key finds a short text by trying. */
export function keyedHash(key: Buffer, purpose: string, text: string): string {
  return createHmac('sha256', key).update(`${purpose}\0`).update(text).digest('hex')
}

export function isSealed(text: string): boolean {
  return text.startsWith(prefix)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = messageOf(cause)
    throw new RpcError('FAILED_PRECONDITION', `The cluster key could not be read: ${why}.`, { cause })
  }
}
