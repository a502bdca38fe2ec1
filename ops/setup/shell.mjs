import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

// Programs as a user's shell finds and runs them.

// What dash and bash search when PATH is not set.
const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The folders of the user's own PATH: npm puts its own in front of it for a script. */
export function userPath(path = process.env.PATH ?? '') {
  const folders = path.split(delimiter).filter((folder) => folder !== '' && !isNpms(folder))
  return folders.length > 0 ? folders : usualPath.split(delimiter)
}

function isNpms(folder) {
  return folder.endsWith('/node_modules/.bin') || folder.includes('/node-gyp-bin')
}

/** Path of a program, looked for in the user's PATH and in the administrator's folders. */
export function findProgram(name, folders = [...userPath(), ...usualPath.split(delimiter)]) {
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Runs a program on this terminal; resolves with its exit code, 128 + n for a signal. */
export async function run(program, args, options = {}) {
  const child = spawn(program, args, { stdio: 'inherit', ...options })
  return await new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code, signal) => resolve(code ?? (signal ? 143 : 1)))
  })
}

/** Runs a program quietly: its exit code and what it wrote. */
export function ask(program, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', ...options })
  return { code: error ? 127 : (status ?? 1), stdout: stdout ?? '', stderr: stderr ?? String(error ?? '') }
}
