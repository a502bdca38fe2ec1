import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { createGzip } from 'node:zlib'
import { root } from '../setup/built.mjs'
import { runMain, Stop, say } from '../setup/say.mjs'
import { ask } from '../setup/shell.mjs'
import { commandLineFiles, programFiles, sorted, textEntry } from './contents.mjs'
import { unixLauncher, windowsLauncher } from './launchers.mjs'
import { nodeFor, nodeVersion, platforms, readFromPackage } from './node-binaries.mjs'
import { tarOf } from './tar.mjs'
import { zipOf } from './zip.mjs'

// `npm run package [-- --only PLATFORM]… [-- --out DIR] [-- --programs DIR]`: the archives that people install spell from,
// with SHA256SUMS, in DIR (dist-packages). PLATFORM is one of node-binaries.mjs, or npm. Programs are built for it, or
// taken from where ops/build.mjs has put them. The same checkout and the same Node here make the same bytes.

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const npm = 'npm'

runMain(async () => {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [...Object.keys(platforms), npm] },
      out: { type: 'string', default: 'dist-packages' },
      programs: { type: 'string' },
    },
  })
  for (const platform of options.only) {
    if (platform !== npm && !(platform in platforms))
      throw new Stop(`There is no platform "${platform}": ${[...Object.keys(platforms), npm].join(', ')}.`)
  }
  const programs = options.programs === undefined ? build() : resolve(options.programs)
  const out = resolve(root, options.out)
  const next = `${out}.next`
  rmSync(next, { recursive: true, force: true })
  mkdirSync(next, { recursive: true })
  const hashes = new Map()
  for (const archive of archivesFor(options.only, programs)) {
    say(`Packing ${archive.name}…`)
    hashes.set(archive.name, await pack(archive, join(next, archive.name)))
  }
  const lines = [...hashes].toSorted().map(([name, hash]) => `${hash}  ${name}\n`)
  writeFileSync(join(next, 'SHA256SUMS'), lines.join(''))
  rmSync(out, { recursive: true, force: true })
  renameSync(next, out)
  say(`\n${lines.join('')}in ${out}, with Node ${nodeVersion}.`)
})

function build() {
  const out = 'build/programs'
  execFileSync(process.execPath, ['ops/build.mjs', '--out', out], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return join(root, out)
}

function archivesFor(wanted, programs) {
  return wanted.flatMap((platform) => {
    if (platform === npm)
      return [{ name: `spell-${version}.tgz`, top: 'package', entries: () => programFiles(programs) }]
    const extension = platform.startsWith('win') ? 'zip' : 'tar.gz'
    const archive = (kind, files) => ({
      name: `${kind}-${version}-${platform}.${extension}`,
      top: `${kind}-${version}-${platform}`,
      entries: () => sorted([...files(programs), ...nodeEntries(platform)]),
    })
    const commandLine = archive('spell', commandLineFiles)
    return platform.startsWith('linux') ? [commandLine, archive('spell-node', programFiles)] : [commandLine]
  })
}

/** Node, and what starts spell with it. */
function nodeEntries(platform) {
  const file = nodeFor(platform)
  const windows = platform.startsWith('win')
  const program = windows ? 'bin/node.exe' : 'bin/node'
  const entry = (name, inPackage, mode, from = file) => {
    const content = readFromPackage(from, inPackage)
    if (content === undefined) throw new Stop(`There is no ${inPackage} in ${from}.`)
    return { name, mode, read: async () => content }
  }
  return [
    entry(program, program, 0o755),
    // The package for Windows has no licence in it; it is the same text for all.
    entry('LICENSE-node.txt', 'LICENSE', 0o644, windows ? nodeFor('linux-x64') : file),
    windows ? textEntry('bin/spell.cmd', windowsLauncher) : textEntry('bin/spell', unixLauncher, 0o755),
  ]
}

/** Writes the archive and returns its hash. */
async function pack({ name, top, entries }, file) {
  const inside = entries().map((entry) => ({ ...entry, name: `${top}/${entry.name}` }))
  const hash = createHash('sha256')
  const count = async function* (chunks) {
    for await (const chunk of chunks) {
      hash.update(chunk)
      yield chunk
    }
  }
  const chunks = name.endsWith('.zip') ? zipOf(inside, timeSeconds()) : tarOf(inside, timeSeconds())
  const compressors = name.endsWith('.zip') ? [] : [createGzip()]
  await pipeline(Readable.from(chunks), ...compressors, count, createWriteStream(file))
  return hash.digest('hex')
}

/** Of every file: when this was committed. What is kept of a program by its size and time must not outlive a new version. */
function timeSeconds() {
  const given = process.env.SOURCE_DATE_EPOCH
  const { stdout } =
    given === undefined ? ask('git', ['log', '-1', '--format=%ct'], { cwd: root }) : { stdout: given }
  return Number(stdout.trim()) || 1_700_000_000
}
