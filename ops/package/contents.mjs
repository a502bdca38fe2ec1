import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../setup/built.mjs'

// What goes into archives, as entries ({ name, mode, read }) in the order of their names.

/** What a build may have that programs do not run from. */
const notPrograms = new Set(['ops', 'test'])
/** What a program never reads: types, sources of other languages, maps, words. */
const needless = /\.(?:d\.[cm]?ts|[cm]?ts|tsx|map|md|markdown|flow|cache)$|(?:^|\/)\.[^/]+$/i
const licence = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i

/** The command line alone. `programs`: what ops/build.mjs made. */
export function commandLineFiles(programs) {
  return sorted([
    fileEntry('dist/bundle/main.cjs', join(programs, 'bundle/main.cjs')),
    fileEntry('dist/bundle/spell.cjs', join(programs, 'bundle/spell.cjs'), 0o755),
    textEntry('package.json', `${JSON.stringify(manifest(), undefined, 2)}\n`),
    textEntry('THIRD-PARTY-LICENSES.txt', licences()),
  ])
}

/** All programs with the packages that they need; so an installation asks no registry for anything. */
export function programFiles(programs) {
  const manifestWithPackages = { ...manifest(), ...bundled() }
  return sorted([
    ...readdirSync(programs)
      .filter((folder) => !notPrograms.has(folder))
      .flatMap((folder) => below(join(programs, folder), `dist/${folder}`, needless)),
    ...below(join(root, 'proto'), 'proto', needless).filter(({ name }) => name.endsWith('.proto')),
    ...packages().flatMap(packageFiles),
    textEntry('package.json', `${JSON.stringify(manifestWithPackages, undefined, 2)}\n`),
    textEntry('THIRD-PARTY-LICENSES.txt', licences()),
  ]).map((entry) => (entry.name === 'dist/bundle/spell.cjs' ? { ...entry, mode: 0o755 } : entry))
}

export function textEntry(name, text, mode = 0o644) {
  return { name, mode, read: async () => Buffer.from(text) }
}

export function fileEntry(name, path, mode = 0o644) {
  return { name, mode, read: async () => readFileSync(path) }
}

/** By their bytes, not by anybody's language. */
export function sorted(entries) {
  return entries.toSorted((one, other) => (one.name < other.name ? -1 : Number(one.name > other.name)))
}

function manifest() {
  const { name, version, description, license, type, engines, bin } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  )
  return { name, version, description, license, type, engines, bin }
}

function bundled() {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return { dependencies, bundleDependencies: Object.keys(dependencies) }
}

/** Folders of the packages that programs need, without those that only some machines can build. */
function packages() {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  return Object.entries(lock.packages)
    .filter(([path, { dev, devOptional, optional }]) => path !== '' && !dev && !devOptional && !optional)
    .map(([path]) => path)
}

function packageFiles(path) {
  const manifestName = `${path}/package.json`
  return below(join(root, path), path, needless).map((entry) =>
    entry.name === manifestName ? textEntry(manifestName, quietManifest(join(root, manifestName))) : entry,
  )
}

/** Nothing is run when it is installed, and nothing is missed that isn't there. */
function quietManifest(file) {
  const { scripts, optionalDependencies, devDependencies, ...rest } = JSON.parse(readFileSync(file, 'utf8'))
  return `${JSON.stringify(rest, undefined, 2)}\n`
}

/** Files below a folder; packages within packages are entries of the lock of their own. */
function below(folder, as, without) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((item) => item.name !== 'node_modules')
    .flatMap((item) => {
      const path = join(folder, item.name)
      const name = `${as}/${item.name}`
      if (item.isDirectory()) return below(path, name, without)
      return item.isFile() && (licence.test(item.name) || !without.test(name)) ? [fileEntry(name, path)] : []
    })
}

function licences() {
  return packages()
    .filter((path) => existsSync(join(root, path, 'package.json')))
    .toSorted()
    .map((path) => {
      const { name, version, license } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8'))
      const texts = readdirSync(join(root, path))
        .filter((file) => licence.test(file))
        .toSorted()
        .map((file) => readFileSync(join(root, path, file), 'utf8').trim())
      return `${name} ${version} (${license ?? 'see below'})\n\n${texts.join('\n\n')}\n`
    })
    .join(`\n${'-'.repeat(80)}\n\n`)
}
