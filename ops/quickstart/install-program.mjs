import { chmodSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { program } from '../setup/built.mjs'
import { asRoot, howToBeRoot } from '../setup/root.mjs'
import { say } from '../setup/say.mjs'
import { findProgram, userPath } from '../setup/shell.mjs'

const mark = '# Starts the command line of Spell'

/**
 * Puts a `spell` where the user's shell finds it, unless it is there, and returns how to type it: `spell`, or its whole
 * path where no folder of the PATH can be written to or another program of that name is there. Never replaces a program
 * that is not ours.
 */
export async function installProgram() {
  const folders = userPath()
  const found = findProgram('spell', folders)
  if (found !== undefined && isOurs(found)) {
    if (readFileSync(found, 'utf8') === wrapper()) return 'spell'
    if (await write(found)) return 'spell'
  }
  for (const folder of found === undefined ? candidates(folders) : []) {
    const path = join(folder, 'spell')
    if (!(await write(path))) continue
    say(`\nInstalled the program as ${path}.`)
    return 'spell'
  }
  const own = join(homedir(), '.spell/bin/spell')
  mkdirSync(join(homedir(), '.spell/bin'), { recursive: true })
  writeSync(own)
  say(
    found === undefined
      ? `\nInstalled the program as ${own}.`
      : `\nInstalled the program as ${own}: "spell" is ${found} here.`,
  )
  return own
}

function candidates(folders) {
  return [join(homedir(), '.local/bin'), join(homedir(), 'bin'), '/usr/local/bin'].filter((folder) =>
    folders.includes(folder),
  )
}

async function write(path) {
  try {
    writeSync(path)
    return true
  } catch {
    if (howToBeRoot() !== 'sudo') return false
    const script = 'mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1" && chmod 755 "$1"'
    return (await asRoot(['sh', '-c', script, 'sh', path, wrapper()])) === 0
  }
}

function writeSync(path) {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, wrapper())
  chmodSync(path, 0o755)
}

/** With the Node that is known to be new enough: another shell's may be older, or not there. */
function wrapper() {
  return `#!/bin/sh\n${mark} (npm run quickstart wrote this file).\nexec "${process.execPath}" "${program}" "$@"\n`
}

function isOurs(path) {
  try {
    return !lstatSync(path).isSymbolicLink() && readFileSync(path, 'utf8').includes(mark)
  } catch {
    return false
  }
}
