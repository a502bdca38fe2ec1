import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stop, say } from './say.mjs'
import { findProgram, run } from './shell.mjs'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const program = join(root, 'dist/bundle/spell.cjs')

const sources = [
  'proto',
  'common',
  'spellfs',
  'coordinator',
  'node-agent',
  'cli',
  'console',
  'package.json',
  'tsconfig.json',
  'ops/build.mjs',
  'ops/bundle.mjs',
]

/** Installs npm packages and builds, each only if it hasn't been done since something changed. Tests are always built anew. */
export async function seeToBuild(what = 'programs') {
  const installed = timeOf(join(root, 'node_modules/.package-lock.json'))
  if (installed === undefined || installed < (timeOf(join(root, 'package-lock.json')) ?? 0)) {
    say('\nInstalling npm packages…')
    await orStop('npm ci', npm(), ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  }
  if (what === 'with-tests' || (timeOf(program) ?? 0) < newest(sources)) {
    say('\nBuilding…')
    await orStop('npm run build', process.execPath, [
      join(root, 'ops/build.mjs'),
      ...(what === 'with-tests' ? ['--with-tests'] : []),
    ])
  }
}

async function orStop(what, command, args) {
  const code = await run(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (code !== 0) throw new Stop(`"${what}" failed (exit code ${code}).`)
}

function npm() {
  const beside = join(dirname(process.execPath), 'npm')
  return existsSync(beside) ? beside : (findProgram('npm') ?? 'npm')
}

function newest(paths) {
  return Math.max(...paths.map((path) => newestBelow(join(root, path))))
}

function newestBelow(path) {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) return 0
  if (!found.isDirectory()) return found.mtimeMs
  return Math.max(
    0,
    ...readdirSync(path)
      .filter((name) => name !== 'gen')
      .map((name) => newestBelow(join(path, name))),
  )
}

function timeOf(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs
}
