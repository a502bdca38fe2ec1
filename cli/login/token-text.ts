import { type PortableToken, readToken } from '../../common/portable-token.js'
import { Failure } from '../failure.js'

/**
 * A token as somebody gave it, without blanks and line ends around it: secrets of CI systems often end in one. What it holds is
 * never in what is thrown. Throws Failure when it can't be one: gRPC would refuse it with the token in its words.
 */
export function tokenIn(text: string): PortableToken {
  const trimmed = text.trim()
  if (/^[!-~]+$/.test(trimmed)) return readToken(trimmed)
  throw new Failure(
    'error',
    'This is no token and no login code: it has characters that neither has. Copy it again, without quotes and line breaks.',
  )
}
