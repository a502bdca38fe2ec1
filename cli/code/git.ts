import type { Readable } from 'node:stream'
import { execa } from 'execa'
import { CodeRefused } from './refusal.js'

export interface GitParts {
  /** The user's environment; GIT_* variables that would point elsewhere are not handed on. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

export interface GitOptions {
  readonly cwd: string
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** How output becomes text; UTF-8 unless said. */
  readonly encoding?: 'utf8' | 'latin1'
}

export interface GitResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Neither hooks nor watchers run, nothing is written beside what was asked, and config changes no output. */
const safeConfig = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.untrackedCache=false',
  'core.splitIndex=false',
  'core.safecrlf=false',
  'core.quotePath=false',
  'color.ui=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'log.showSignature=false',
  'submodule.recurse=false',
  'pack.packSizeLimit=0',
  'pack.allowPackReuse=false',
].flatMap((setting) => ['-c', setting])

const handedOn = new Set([
  'GIT_CEILING_DIRECTORIES',
  'GIT_DISCOVERY_ACROSS_FILESYSTEM',
  'GIT_CONFIG_GLOBAL',
  'GIT_CONFIG_SYSTEM',
  'GIT_CONFIG_NOSYSTEM',
])

const maxOutputBytes = 256 * 1024 * 1024

/** Runs git to its end. Throws CodeRefused when it is not installed; any exit code is the caller's to judge. */
export async function runGit(
  args: readonly string[],
  options: GitOptions,
  parts: GitParts,
): Promise<GitResult> {
  const result = await execa('git', [...safeConfig, ...args], {
    ...settings(options, parts),
    input: options.input ?? '',
    stripFinalNewline: false,
    encoding: options.encoding ?? 'utf8',
    maxBuffer: maxOutputBytes,
    reject: false,
  })
  parts.signal.throwIfAborted()
  if (result.code === 'ENOENT') throw new CodeRefused({ kind: 'no_git' }, result)
  if (result.isMaxBuffer || result.exitCode === undefined) throw failed(args, result.message ?? '', result)
  return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr }
}

/** What git printed; CodeRefused `git_failed` when it failed. */
export async function gitOutput(
  args: readonly string[],
  options: GitOptions,
  parts: GitParts,
): Promise<string> {
  const result = await runGit(args, options, parts)
  if (result.exitCode !== 0) throw failed(args, result.stderr)
  return result.stdout
}

/** Hands git's output to `take` as it comes. CodeRefused `git_failed` when git failed. */
export async function streamGit(
  args: readonly string[],
  options: GitOptions,
  take: (stdout: Readable) => Promise<void>,
  parts: GitParts,
): Promise<void> {
  const child = execa('git', [...safeConfig, ...args], {
    ...settings(options, parts),
    input: options.input ?? '',
    buffer: { stdout: false },
    encoding: 'buffer',
    reject: false,
  })
  try {
    await take(child.stdout)
  } catch (error) {
    child.kill()
    await child
    parts.signal.throwIfAborted()
    throw error
  }
  const result = await child
  parts.signal.throwIfAborted()
  if (result.exitCode !== 0) throw failed(args, Buffer.from(result.stderr).toString(), result)
}

function settings({ cwd, env }: GitOptions, parts: GitParts) {
  return {
    cwd,
    env: { ...gitEnvironment(parts.env), ...env },
    extendEnv: false,
    cancelSignal: parts.signal,
  } as const
}

function gitEnvironment(env: GitParts['env']): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && (!name.startsWith('GIT_') || handedOn.has(name))) kept[name] = value
  return {
    ...kept,
    LC_ALL: 'C',
    LANGUAGE: '',
    // Without this `git status` would write a refreshed index.
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_PAGER: 'cat',
  }
}

function failed(args: readonly string[], stderr: string, cause?: unknown): CodeRefused {
  const said = stderr
    .split('\n')
    .map((line) => line.replace(/^(fatal|error): /, '').trim())
    .filter((line) => line !== '' && !line.startsWith('warning:') && !line.startsWith('hint:'))
  const why = said.slice(0, 3).join(' ') || 'it gave no reason'
  return new CodeRefused({ kind: 'git_failed', sentence: `git ${args[0]} failed: ${why}` }, cause)
}
