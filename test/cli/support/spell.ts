import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addContext } from '../../../cli/config.js'
import { patiently } from '../../fixtures/patiently.js'
import type { FakeCoordinator } from './fake-coordinator.js'

/** Where package.json is; the tests themselves lie compiled in a folder below. */
export const projectRoot = rootAbove(dirname(fileURLToPath(import.meta.url)))

/** The compiled program, run as a process of its own. */
export const program = join(dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url))))), 'cli/main.js')

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  /** Without the notes that a slow answer brings: on a busy machine any answer may be slow. */
  readonly stderr: string
  readonly bytes: Buffer
}

export interface Desk {
  /** SPELL_DIR. */
  readonly directory: string
  /** Where commands are run; no git repository. */
  readonly cwd: string
  /** Of the commands: nothing of the tests' own environment but PATH. */
  readonly env: Record<string, string>
  /** Runs `spell …` to its end. */
  spell(args: readonly string[], options?: SpellOptions): Promise<Ended>
  start(args: readonly string[], options?: SpellOptions): Started
  /** Runs it on a terminal of its own; stdout and stderr are one. */
  onTerminal(args: readonly string[], options?: SpellOptions): Started
  tidy(): void
}

export interface SpellOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly input?: string
}

export interface Started {
  readonly ended: Promise<Ended>
  /** Resolves once stdout has matched. */
  until(pattern: RegExp): Promise<void>
  type(text: string): void
  signal(name: NodeJS.Signals): void
  closeStdout(): void
}

/** A directory of the client's own, logged in to a coordinator if one is given. */
export async function desk(coordinator?: FakeCoordinator): Promise<Desk> {
  const root = mkdtempSync(join(tmpdir(), 'spell-cli-'))
  const directory = join(root, 'dot-spell')
  const cwd = mkdtempSync(join(root, 'work-'))
  const env = {
    PATH: process.env.PATH ?? '',
    LANG: 'C.UTF-8',
    TERM: 'xterm',
    TZ: 'UTC',
    SPELL_DIR: directory,
    HOME: root,
  }
  if (coordinator) {
    await addContext(directory, {
      name: 'test',
      addresses: [coordinator.address],
      ca: coordinator.ca,
      token: 'secret',
      userName: 'ada',
    })
  }
  const start = (args: readonly string[], options: SpellOptions = {}) =>
    launch(process.execPath, [program, ...args], env, { cwd, ...options })
  return {
    directory,
    cwd,
    env,
    start,
    spell: (args, options) => start(args, options).ended,
    onTerminal(args, options = {}) {
      const command = [process.execPath, program, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`)
      return launch(
        'script',
        ['-qefc', `stty cols 100 rows 30; exec ${command.join(' ')}`, '/dev/null'],
        env,
        { cwd, ...options },
        'open',
      )
    },
    tidy: () => rmSync(root, { recursive: true, force: true }),
  }
}

function launch(
  file: string,
  args: readonly string[],
  base: Readonly<Record<string, string>>,
  options: SpellOptions,
  input: 'open' | 'closed' = 'closed',
): Started {
  const child = spawn(file, args, { cwd: options.cwd, env: { ...base, ...options.env }, stdio: 'pipe' })
  // A command that ends without reading its input is gone before all of it is written.
  child.stdin.on('error', () => undefined)
  if (input === 'closed') child.stdin.end(options.input ?? '')
  const out: Buffer[] = []
  const err: Buffer[] = []
  const waiting = new Set<() => void>()
  child.stdout.on('data', (data: Buffer) => {
    out.push(data)
    for (const look of waiting) look()
  })
  child.stderr.on('data', (data: Buffer) => err.push(data))
  const text = () => Buffer.concat(out).toString()
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      for (const look of waiting) look()
      resolve({
        code,
        stdout: text(),
        stderr: withoutSlowNotes(Buffer.concat(err).toString()),
        bytes: Buffer.concat(out),
      })
    })
  })
  return {
    ended: patiently(ended, () => `${args.join(' ')}\n${text()}\n${Buffer.concat(err)}`),
    async until(pattern) {
      const matched = new Promise<void>((resolve, reject) => {
        const look = () => {
          if (pattern.test(text())) {
            waiting.delete(look)
            resolve()
          } else if (child.exitCode !== null || child.signalCode !== null)
            reject(new Error(`it ended without ${pattern}: ${text()}`))
        }
        waiting.add(look)
        look()
      })
      await patiently(matched, () => `${pattern} in\n${text()}`)
    },
    type: (typed) => child.stdin.write(typed),
    signal: (name) => child.kill(name),
    closeStdout: () => child.stdout.destroy(),
  }
}

function withoutSlowNotes(stderr: string): string {
  return stderr.replaceAll(/^(Waiting for|Copying) .*(…|\.\.\.)\n/gm, '')
}

function rootAbove(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : rootAbove(dirname(folder))
}
