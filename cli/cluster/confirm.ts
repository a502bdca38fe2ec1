import { createInterface } from 'node:readline/promises'
import type { World } from '../world.js'

/** A question on stderr, default yes on Enter. Only for where stdin is a terminal. */
export async function confirm(world: World, question: string): Promise<boolean> {
  const lines = createInterface({ input: world.stdin, output: world.stderr })
  try {
    const answer = (await lines.question(`${question} [Y/n]: `)).trim().toLowerCase()
    return answer === '' || answer === 'y' || answer === 'yes'
  } finally {
    lines.close()
  }
}
