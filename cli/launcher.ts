import {
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { constants, Script } from 'node:vm'
import { endOnBrokenOutput } from './end-on-broken-output.js'
import { instantAnswer } from './instant-answer.js'
import { clientSettings } from './settings.js'

// The beginning of the bundled program, bundle/spell.cjs. Everything else is in main.cjs beside it. Compiling that takes
// V8 longer than all else that a short command does, so what V8 made of it is kept: beside the program where that may be
// written, else in the client's directory. The name says for which program and which Node it is; V8 refuses what is not
// its own.

const program = join(dirname(realpathSync(process.argv[1] ?? '')), 'main.cjs')

/** Commands that use what most commands need: what was compiled for them is worth keeping. */
const typical: ReadonlySet<string | undefined> = new Set(['ps', 'run', 'logs'])

const answer = instantAnswer(process.argv.slice(2))
if (answer === undefined) launch(program)
else {
  endOnBrokenOutput(process)
  process.stdout.write(answer)
}

function launch(file: string): void {
  const { size, mtimeMs } = statSync(file)
  const name = `main-${size}-${Math.round(mtimeMs)}-${process.version}-${process.arch}.cache`
  const folders = [dirname(file), join(clientSettings().directory, 'cache')]
  const cachedData = folders
    .map((folder) => readIfThere(join(folder, name)))
    .find((data) => data !== undefined)
  // A function of what a CommonJS module gets, in ASCII, which is read fastest as Latin-1.
  const script = new Script(readFileSync(file, 'latin1'), {
    filename: file,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData ? { cachedData } : {}),
  })
  if ((!cachedData || script.cachedDataRejected) && typical.has(process.argv[2])) {
    process.on('exit', () => keep(script.createCachedData(), folders, name))
  }
  const module = { exports: {} }
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file))
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

/** In the first folder that takes it; nowhere is fine too, it is only slower. Those of older programs go. */
function keep(data: Buffer, folders: readonly string[], name: string): void {
  for (const folder of folders) {
    const half = join(folder, `${name}.${process.pid}`)
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      writeFileSync(half, data, { mode: 0o644 })
      renameSync(half, join(folder, name))
      for (const other of readdirSync(folder)) {
        if (/^main-.*\.cache$/.test(other) && other !== name) rmSync(join(folder, other), { force: true })
      }
      return
    } catch {
      rmSync(half, { force: true })
    }
  }
}
