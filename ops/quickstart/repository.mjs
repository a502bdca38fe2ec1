import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stop } from '../setup/say.mjs'
import { ask } from '../setup/shell.mjs'

const project = join(dirname(fileURLToPath(import.meta.url)), 'project')
const nobody = ['-c', 'user.name=Spell quickstart', '-c', 'user.email=quickstart@localhost']

/** A git repository with the project in it, made unless it is there: what a user changed in it stays. */
export function makeRepository(folder) {
  if (existsSync(join(folder, '.git'))) return
  mkdirSync(folder, { recursive: true })
  cpSync(project, folder, { recursive: true })
  for (const words of [
    ['init', '-q'],
    ['add', '.'],
    [...nobody, 'commit', '-q', '-m', 'Tell irises apart'],
  ]) {
    const { code, stderr } = ask('git', words, { cwd: folder })
    if (code !== 0) throw new Stop(`git could not make a repository in ${folder}: ${stderr.trim()}`)
  }
}
