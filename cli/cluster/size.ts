import { Failure } from '../failure.js'

const factors: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }

/** Bytes of `8G`, `512MiB` or `1073741824`: powers of 1024, as Docker has them. Throws Failure('usage') naming the option. */
export function parseSize(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim())
  const bytes = Math.floor(Number(match?.[1]) * (factors[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN))
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes
  throw new Failure('usage', `${option} must be a size such as 8G or 512M, not "${text}".`)
}
