import { ask, findProgram, run } from './shell.mjs'

/**
 * How this user does what only root may: `direct` (is root), `sudo`, or `none`. Without a terminal sudo must not need a
 * password.
 */
export function howToBeRoot() {
  if (process.getuid?.() === 0) return 'direct'
  const sudo = findProgram('sudo')
  if (sudo === undefined) return 'none'
  if (process.stdin.isTTY) return 'sudo'
  return ask(sudo, ['-n', 'true']).code === 0 ? 'sudo' : 'none'
}

/** Resolves with the exit code. */
export async function asRoot(words, options = {}) {
  const [program, ...args] = rootWords(words)
  return await run(program, args, options)
}

/** The words of a command line that does this as root. */
export function rootWords(words) {
  return howToBeRoot() === 'sudo' ? ['sudo', ...words] : words
}
