import type { Code, Environment, EnvironmentVariable, Limits, RunSpec } from '../../proto/model/run-spec.js'
import { Failure } from '../failure.js'
import { readCondaFile, readRequirements } from './attached-files.js'
import { parseMount } from './mount.js'
import type { RunOptions } from './options.js'
import { parseStopCondition } from './stop-condition.js'

/** The run that the options ask for, without its code. Throws Failure on what cannot be meant. */
export function specFrom(command: string, options: RunOptions, cwd: string): Omit<RunSpec, 'code'> {
  refuseLocally(options)
  refuseEmpty(options)
  if (command.trim() === '') throw new Failure('usage', 'The command is missing. See "spell run --help".')
  return {
    kind: 'user',
    command,
    machine: { kind: 'type', name: options.machineType.trim() },
    nodeCount: options.distributed ?? 1,
    environment: environmentFrom(options, cwd),
    mounts: options.mount.map(parseMount),
    env: options.env.map(parseVariable),
    stopConditions: options.stopCondition.map(parseStopCondition),
    limits: limitsFrom(options),
    labels: options.label,
    project: options.project,
    description: options.description ?? '',
    resumeFrom: undefined,
    tensorboardDir: options.tensorboardDir,
    idempotent: options.idempotent ?? false,
    hyperparameters: {},
  }
}

/** `--github-url` and `--github-ref`; undefined when the code comes from here. */
export function gitCode(options: RunOptions): Extract<Code, { kind: 'git' }> | undefined {
  const { githubUrl: url, githubRef: ref, commitRef } = options
  if (url === undefined) {
    if (ref !== undefined) throw new Failure('usage', '--github-ref needs --github-url.')
    return undefined
  }
  if (commitRef !== undefined) {
    throw new Failure(
      'usage',
      '--commit-ref names a commit of this repository; with --github-url use --github-ref.',
    )
  }
  if (!/^(https?|ssh):\/\/[^/\s]+\/\S+$/.test(url) && !/^[\w.-]+@[\w.-]+:[^\s]+$/.test(url)) {
    throw new Failure(
      'usage',
      `--github-url takes https://, http://, ssh:// or user@host:path, and "${url}" is none of these.`,
    )
  }
  return { kind: 'git', url, ref: ref ?? '' }
}

/** Has no place in the API's messages, because the client itself would do it. */
function refuseLocally(options: RunOptions): void {
  if (options.depsFromEnv) {
    throw new Failure(
      'error',
      '--deps-from-env is not part of this version of Spell yet; use --pip-req or --conda-file.',
    )
  }
}

/** An empty value is a variable that a script has not set, and no wish for the default. */
function refuseEmpty(options: RunOptions): void {
  if (options.machineType.trim() === '')
    throw new Failure('usage', '--machine-type needs the name of a machine type.')
  if (options.from?.trim() === '') throw new Failure('usage', '--from needs the name of an image.')
  if (options.project?.trim() === '') throw new Failure('usage', '--project needs the name of a project.')
}

function environmentFrom(options: RunOptions, cwd: string): Environment {
  const chosen = [options.framework, options.from, options.condaFile].filter((value) => value !== undefined)
  if (chosen.length > 1) {
    throw new Failure(
      'configuration',
      'Only one of the following options can be specified: --framework, --from, --conda-file',
    )
  }
  if (options.condaFile !== undefined && options.pip.length + options.pipReq.length > 0) {
    throw new Failure(
      'error',
      '--pip or --pip-req cannot be specified when using a conda environment. You can include the pip installs in the conda environment file instead.',
    )
  }
  return {
    framework: options.framework,
    dockerImage: options.from,
    pipPackages: options.pip,
    pipRequirements: options.pipReq.map((file) => readRequirements(file, cwd)),
    aptPackages: options.apt,
    condaFile: options.condaFile === undefined ? undefined : readCondaFile(options.condaFile, cwd),
    rebuild: options.rebuild ?? false,
  }
}

/** `NAME=VALUE`, split at the first `=`; without one the value is empty. */
function parseVariable(written: string): EnvironmentVariable {
  const at = written.indexOf('=')
  const name = at < 0 ? written : written.slice(0, at)
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new Failure('usage', `"${name}" cannot be the name of an environment variable (--env NAME=VALUE).`)
  }
  return { name, value: at < 0 ? '' : written.slice(at + 1) }
}

function limitsFrom(options: RunOptions): Limits {
  if (options.autoResume && options.disableAutoResume) {
    throw new Failure('usage', 'Only one of --auto-resume and --disable-auto-resume can be meant.')
  }
  return {
    timeoutMs: options.timeout,
    graceMs: options.grace,
    autoResume: options.autoResume ? 'on' : options.disableAutoResume ? 'off' : 'default',
    diskBytes: undefined,
  }
}
