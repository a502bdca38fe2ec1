import { instantAnswer } from './instant-answer.js'
import type { World } from './world.js'

/** Does what the words after `spell` ask for and returns the exit code. Throws only bugs. */
export async function spell(argv: readonly string[], world: World): Promise<number> {
  const answer = instantAnswer(argv)
  if (answer !== undefined) {
    world.stdout.write(answer)
    return 0
  }
  try {
    const { dispatch } = await import('./dispatch.js')
    return await dispatch(argv, world)
  } catch (error) {
    const { explain } = await import('./explain.js')
    return explain(error, world)
  }
}
