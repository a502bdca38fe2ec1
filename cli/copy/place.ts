import { lstatSync, mkdirSync, realpathSync, type Stats } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { Failure } from '../failure.js'

// What a server sends names files, and nothing it says may reach outside the folder that the user chose: no absolute
// path, no `..`, and no way through a link that stands in it, whoever made that.

/** A backslash is a letter like any other, except where it separates folders. */
const notInNames = sep === '\\' ? /[\0\\]/ : /\0/

/** Where a file of this relative name belongs below `root`, with the folders above it made. Throws Failure. */
export function placeBelow(root: string, name: string): string {
  const segments = name.split('/').filter((segment) => segment !== '')
  const bad = segments.some((segment) => segment === '.' || segment === '..' || notInNames.test(segment))
  if (segments.length === 0 || bad || name.startsWith('/')) throw refused(name)
  let folder = root
  for (const segment of segments.slice(0, -1)) {
    folder = join(folder, segment)
    makeFolder(folder, name)
  }
  const place = resolve(folder, segments.at(-1) ?? '')
  if (!isInside(realpathSync(root), realpathSync(folder))) throw refused(name)
  return place
}

/** What is at a path, links not followed. */
export function whatIsAt(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

function makeFolder(folder: string, name: string): void {
  const there = whatIsAt(folder)
  if (!there) mkdirSync(folder)
  else if (!there.isDirectory()) {
    throw new Failure('error', `'${name}' cannot be copied: ${folder} is there and is no folder.`)
  }
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !way.startsWith(sep))
}

function refused(name: string): Failure {
  return new Failure(
    'error',
    `The cluster named a file '${name}', which would not lie in the folder to copy to.`,
  )
}
