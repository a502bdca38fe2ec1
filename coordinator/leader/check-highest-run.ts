import { RpcError } from '../../common/errors.js'
import { highestRunObject } from '../archive/archive.js'
import { decode } from '../core/record-codec.js'
import type { Term } from './term.js'

const askAgainMs = 5_000

/** Reads the highest id that the store has noted; a store that is away is asked when it is back. */
export function checkHighestRun(term: Term): void {
  ask(term).catch((error: unknown) => {
    if (!term.closing.signal.aborted)
      term.parts.log.error('The highest run id in the store is unreadable', { error })
  })
}

async function ask(term: Term): Promise<void> {
  const { parts, restoreGuard, closing } = term
  for (;;) {
    const answer = await read(term)
    if (answer !== 'away') {
      if (answer !== undefined) restoreGuard.note(answer, 'the store')
      return
    }
    await parts.clock.sleep(askAgainMs, closing.signal)
  }
}

async function read({ parts }: Term): Promise<number | 'away' | undefined> {
  try {
    const bytes: Buffer[] = []
    for await (const part of parts.objects.read(highestRunObject)) bytes.push(part)
    return decode<{ highestRunId: number }>(Buffer.concat(bytes).toString(), highestRunObject).highestRunId
  } catch (error) {
    if (!(error instanceof RpcError)) throw error
    if (error.code === 'NOT_FOUND') return undefined
    return 'away'
  }
}
