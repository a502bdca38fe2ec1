// An access token as it is handed out: the secret, and beside it how to reach the cluster and by what hash its authority is
// known, so that a job elsewhere needs this one value and nothing else. `spell1.<JSON in Base64url>.<secret>`. What goes to
// the cluster is the secret; a client that sends the whole is understood, too.

const mark = 'spell1.'

export interface PortableToken {
  readonly secret: string
  /** `host:port` of coordinators; none where the token says nothing of its cluster. */
  readonly addresses: readonly string[]
  /** SHA-256 of the authority in DER form, lower-case hex; empty where the token does not say. */
  readonly caSha256: string
}

export function writeToken({ secret, addresses, caSha256 }: PortableToken): string {
  const about = Buffer.from(JSON.stringify({ addresses, ca: caSha256 })).toString('base64url')
  return `${mark}${about}.${secret}`
}

/** Whatever has another form is a secret alone. */
export function readToken(text: string): PortableToken {
  const [about = '', secret, ...more] = text.startsWith(mark) ? text.slice(mark.length).split('.') : []
  if (!secret || more.length > 0) return bare(text)
  try {
    const parsed: unknown = JSON.parse(Buffer.from(about, 'base64url').toString())
    const { addresses, ca } = parsed as { readonly addresses?: unknown; readonly ca?: unknown }
    if (!Array.isArray(addresses) || typeof ca !== 'string') return bare(text)
    return { secret, addresses: addresses.filter((each) => typeof each === 'string'), caSha256: ca }
  } catch {
    return bare(text)
  }
}

function bare(secret: string): PortableToken {
  return { secret, addresses: [], caSha256: '' }
}
