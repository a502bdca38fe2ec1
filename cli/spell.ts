import { Failure } from './failure.js'
import type { World } from './world.js'

const exitOk = 0

/** Does what the words after `spell` ask for and returns the exit code. Throws only bugs. */
export async function spell(argv: readonly string[], world: World): Promise<number> {
  const [first] = argv
  if (first === '--version' || first === '-V') {
    const { version } = await import('./version.js')
    world.stdout.write(`spell ${version}\n`)
    return exitOk
  }
  if (
    first === undefined ||
    first === '--help' ||
    first === '-h' ||
    (first === 'help' && argv.length === 1)
  ) {
    const { overview } = await import('./overview.js')
    world.stdout.write(overview())
    return exitOk
  }
  try {
    const { dispatch } = await import('./dispatch.js')
    return await dispatch(argv, world)
  } catch (error) {
    const { explain } = await import('./explain.js')
    return explain(error, world)
  }
}

export { Failure }
