import { RpcError } from '../common/errors.js'
import { exitCodes, Failure, Quit } from './failure.js'
import { note, type World } from './world.js'

/** The only place where trouble becomes words on stderr and an exit code. Whatever it doesn't know is a bug. */
export function explain(error: unknown, world: World): number {
  if (error instanceof Quit) return error.code
  if (error instanceof Failure) {
    note(world, `Error: ${error.message}`)
    return exitCodes[error.exit]
  }
  if (error instanceof RpcError) {
    note(world, `Error: ${sentenceOf(error)}`)
    return exitCodes.error
  }
  if (isCommanderError(error)) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  throw error
}

/** What a person reads of an error of the API. Most sentences are the server's own. */
export function sentenceOf(error: RpcError): string {
  const said = error.message.trim() || 'it gave no reason'
  switch (error.code) {
    case 'UNAUTHENTICATED':
      return said.includes('spell login') ? said : `${said} Please log in ("spell login").`
    case 'UNIMPLEMENTED':
      return /does not implement/.test(said)
        ? `This cluster's version of Spell cannot do that yet: ${said}`
        : said
    case 'INTERNAL':
    case 'UNKNOWN':
    case 'DATA_LOSS':
      return `The coordinator had trouble of its own: ${said}`
    default:
      return said
  }
}

/** Commander has already printed what it has to say. Its class is not imported: most commands end without it. */
function isCommanderError(error: unknown): error is Error & { readonly exitCode: number } {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.')
}
