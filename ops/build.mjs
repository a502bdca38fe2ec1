// `npm run build [-- --with-tests] [-- --out DIR]`: proto/gen, then everything compiled to DIR (dist), then the command line as one file,
// DIR/bundle/spell.cjs. Needs no compiler but the ones in node_modules and no network. DIR is replaced as a whole when all
// of it is there, so that a cluster which runs from it finds the old programs or the new ones.
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundleCommandLine } from './bundle.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { values: options } = parseArgs({
  options: { out: { type: 'string', default: 'dist' }, 'with-tests': { type: 'boolean', default: false } },
})
const out = resolve(root, options.out)
const project = options['with-tests'] ? 'tsconfig.json' : 'tsconfig.programs.json'
const next = `${out}.next`
const before = `${out}.before`

try {
  run('generating proto/gen', ['ops/generate.mjs'])
  rmSync(next, { recursive: true, force: true })
  run('compiling', ['node_modules/typescript/bin/tsc', '-p', project, '--outDir', next])
  await bundleCommandLine({ entry: join(next, 'cli/main.js'), folder: join(next, 'bundle') })
  chmodSync(join(next, 'bundle/spell.cjs'), 0o755)
  cpSync(join(root, 'ops/systemd'), join(next, 'systemd'), { recursive: true })
  replace()
} catch (error) {
  rmSync(next, { recursive: true, force: true })
  process.stderr.write(`Building stopped: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}

function run(what, args) {
  process.stderr.write(`${what}…\n`)
  execFileSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
}

function replace() {
  rmSync(before, { recursive: true, force: true })
  if (existsSync(out)) renameSync(out, before)
  renameSync(next, out)
  rmSync(before, { recursive: true, force: true })
}
