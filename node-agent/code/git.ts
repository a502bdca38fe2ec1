import { Readable } from 'node:stream'
import { execa } from 'execa'
import { RpcError } from '../../common/errors.js'

export interface HostGitOptions {
  /** A repository of the agent's own; never one that a run has been able to write to. */
  readonly gitFolder: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: AsyncIterable<Uint8Array> | Uint8Array
  readonly signal: AbortSignal
}

/** So long one command may take, in milliseconds. */
const timeoutMs = 30 * 60 * 1000
const maxOutputBytes = 512 * 1024 * 1024

/** Nobody's settings, attributes or hooks: what a repository brings with it can name nothing that is executed. */
const isolated = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_COUNT: '0',
  GIT_CONFIG_PARAMETERS: undefined,
  GIT_ATTR_NOSYSTEM: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_NO_LAZY_FETCH: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_WORK_TREE: undefined,
  GIT_INDEX_FILE: undefined,
  GIT_OBJECT_DIRECTORY: undefined,
  GIT_ALTERNATE_OBJECT_DIRECTORIES: undefined,
  GIT_NAMESPACE: undefined,
  GIT_TRACE: undefined,
  XDG_CONFIG_HOME: '/nonexistent',
  HOME: '/nonexistent',
  LC_ALL: 'C',
  LANGUAGE: '',
} as const

const safeConfig = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.protectHFS=true',
  'core.protectNTFS=true',
  'core.symlinks=true',
  'core.fileMode=true',
  'gc.auto=0',
].flatMap((setting) => ['-c', setting])

/**
 * Runs git for the host; returns what it printed, as bytes. Trouble is FAILED_PRECONDITION with git's words,
 * RESOURCE_EXHAUSTED when the disk is full.
 */
export async function hostGit(args: readonly string[], options: HostGitOptions): Promise<Buffer> {
  const result = await execa('git', [...safeConfig, ...args], {
    env: { ...isolated, ...options.env, GIT_DIR: options.gitFolder },
    cwd: options.gitFolder,
    input: inputOf(options.input),
    encoding: 'buffer',
    maxBuffer: maxOutputBytes,
    timeout: timeoutMs,
    cancelSignal: options.signal,
    reject: false,
  })
  options.signal.throwIfAborted()
  if (result.exitCode === 0 && !result.failed) return Buffer.from(result.stdout)
  if (result.code === 'ENOENT')
    throw new RpcError('FAILED_PRECONDITION', 'git is not installed on this machine.', { cause: result })
  const said = Buffer.from(result.stderr).toString().slice(-2000)
  if (/No space left on device|Disk quota exceeded/.test(said))
    throw new RpcError('RESOURCE_EXHAUSTED', 'The disk of the machine is full.', { cause: result })
  const why = result.timedOut ? 'it took too long' : said.replace(/^(fatal|error): /gm, '').trim()
  throw new RpcError('FAILED_PRECONDITION', `git ${args[0]} failed: ${why || result.shortMessage}`, {
    cause: result,
  })
}

function inputOf(input: HostGitOptions['input']): Uint8Array | Readable {
  if (input === undefined) return new Uint8Array()
  return input instanceof Uint8Array ? input : Readable.from(input)
}
