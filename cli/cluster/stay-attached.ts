import { Failure } from '../failure.js'
import { note, type World } from '../world.js'
import { takeDown } from './down.js'
import { layoutOf } from './layout.js'
import { lockHolder } from './lock.js'

const lookMs = 500

/** Until ^C, which takes the cluster down; with runs going it asks first, and leaves all of it running on a no. */
export async function stayAttached(world: World, dir: string): Promise<void> {
  const layout = layoutOf(dir)
  note(world, '^C ends it.')
  const interrupted = new AbortController()
  const forget = world.onInterrupt(() => interrupted.abort())
  try {
    while (lockHolder(layout) !== undefined) await world.clock.sleep(lookMs, interrupted.signal)
    throw new Failure('error', `The cluster's supervisor has ended; see ${layout.logFile('supervisor')}.`)
  } catch (error) {
    if (!interrupted.signal.aborted) throw error
  } finally {
    forget()
  }
  note(world, '')
  await takeDown(world, dir, 'ask')
}
