import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ask, run } from '../setup/shell.mjs'

/**
 * The quickstart as a newcomer has it: a fresh clone, a home of its own, the line at its end typed, everything ended.
 * Resolves with whether all of it went well. Only the cache of images is shared.
 */
export async function tryQuickstart({ root, work, cache }) {
  const home = join(work, 'home')
  const clone = join(work, 'clone')
  const bin = join(home, '.local/bin')
  mkdirSync(bin, { recursive: true })
  const env = {
    ...withoutNpm(process.env),
    HOME: home,
    XDG_CACHE_HOME: cache,
    SPELL_DIR: join(home, '.spell'),
    PATH: `${bin}:${process.env.PATH}`,
  }
  if ((await run('git', ['clone', '-q', root, clone], { env })) !== 0) return false
  const first = shown(ask('npm', ['run', '--silent', 'quickstart', '--', '--yes'], { cwd: clone, env }))
  const again = shown(ask('npm', ['run', '--silent', 'quickstart', '--', '--yes'], { cwd: clone, env }))
  const last = again.stdout.trimEnd().split('\n').at(-1) ?? ''
  const typed = shown(ask('/bin/sh', ['-c', last], { env, cwd: '/' }))
  const down = shown(
    ask('spell', ['cluster', 'down', '--yes', '--dir', join(home, '.spell/quickstart')], { env }),
  )
  return (
    [first, again, typed, down].every((one) => one.code === 0) &&
    /Run 1 complete/.test(first.stdout) &&
    /model\.json/.test(first.stdout) &&
    /Casting spell #2/.test(again.stdout) &&
    /Casting spell #3/.test(typed.stdout) &&
    lossesOf(first.stdout) === lossesOf(again.stdout) &&
    lossesOf(first.stdout) !== lossesOf(typed.stdout)
  )
}

function shown(result) {
  process.stdout.write(result.stdout + result.stderr)
  return result
}

function lossesOf(output) {
  return [...output.matchAll(/loss (\d+\.\d+)/g)].map((match) => match[1]).join(' ')
}

function withoutNpm(variables) {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !name.startsWith('npm_')))
}
