import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Failure } from '../failure.js'
import { findProgram } from './programs.js'
import type { LocalEnvironment } from './settings.js'

const suite = 'bookworm'
const shownBytes = 2_000

// As one script for one sudo. The root's modes matter: /tmp is 1777, / is 0755. The tar stays readable for its maker.
const script = `set -eu
root="$1"; tar="$2"; mirror="$3"; owner="$4"
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
debootstrap --variant=minbase --include=python3,python-is-python3,ca-certificates ${suite} "$root" $mirror
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/bootstrap.log
tar -C "$root" --numeric-owner -cf "$tar" .
chown "$owner" "$tar"
`

/** A small Debian with Python 3 as a tar; root makes it, with sudo where this user is not root. */
export async function makeImageTar(file: string, environment: LocalEnvironment): Promise<void> {
  if (findProgram('debootstrap', environment.searchPath) === undefined) {
    throw new Failure(
      'error',
      'The default image is made with debootstrap, which is not installed: sudo apt-get install debootstrap',
    )
  }
  mkdirSync(dirname(file), { recursive: true })
  const root = mkdtempSync(join(tmpdir(), 'spell-image-'))
  const next = `${file}.${process.pid}.next`
  const owner = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`
  const words = ['/bin/sh', '-c', script, 'sh', root, next, mirror(), owner]
  try {
    await runAsRoot(words, environment)
    renameSync(next, file)
  } finally {
    rmSync(next, { force: true })
    rmSync(root, { recursive: true, force: true })
  }
}

async function runAsRoot(words: readonly string[], environment: LocalEnvironment): Promise<void> {
  const isRoot = process.getuid?.() === 0
  if (!isRoot && findProgram('sudo', environment.searchPath) === undefined)
    throw new Failure('error', 'The default image can only be made by root, and there is no sudo here.')
  const path = `PATH=${environment.forProcesses.PATH ?? ''}`
  const [program = '', ...args] = isRoot ? words : ['sudo', '/usr/bin/env', path, ...words]
  const child = spawn(program, args, { stdio: ['inherit', 'pipe', 'pipe'], env: environment.forProcesses })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-shownBytes)
    })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  if (code !== 0)
    throw new Failure('error', `debootstrap could not make the default image:\n${said.trimEnd()}`)
}

/** The one that this machine's apt uses, where it is a Debian; empty: debootstrap's own. */
function mirror(): string {
  for (const file of ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list']) {
    const found = /^(?:URIs:|deb)\s+(https?:\/\/\S*\/debian)\/?(?:\s|$)/m.exec(textOf(file))?.[1]
    if (found !== undefined) return found
  }
  return ''
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
