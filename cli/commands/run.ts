import type { Command } from 'commander'
import { RpcError } from '../../common/errors.js'
import type { Code, RunSpec } from '../../proto/model/run-spec.js'
import { type Api, connect } from '../api.js'
import { type ExitWord, Failure } from '../failure.js'
import { watchRun } from '../follow/watch-run.js'
import { interruptible } from '../interruptible.js'
import { type Style, styleOf, withEmoji } from '../output/style.js'
import { codeFromHere } from '../run/code.js'
import { type RunOptions, runCommand, runOptions } from '../run/options.js'
import { refuseLater } from '../run/refuse-later.js'
import { type Scan, scan, takenNote } from '../run/scan.js'
import { gitCode, specFrom } from '../run/spec.js'
import { submit } from '../run/submit.js'
import { uploadObject } from '../run/upload.js'
import { note, type World } from '../world.js'

export function build(world: World, args: readonly string[]): Command {
  const command = runCommand(world)
  const scanned = scan(command, args)
  const remark = takenNote(scanned)
  if (remark !== undefined) note(world, remark)
  return command.action(async (words: readonly string[]) => {
    const options = runOptions(command)
    try {
      await run(world, words.join(' '), options)
    } catch (error) {
      throw withRemark(error, scanned)
    }
  })
}

async function run(world: World, command: string, options: RunOptions): Promise<void> {
  const wanted = specFrom(command, options, world.cwd)
  const fromGit = gitCode(options)
  refuseLater({ ...wanted, code: fromGit ?? { kind: 'none' } }, options)
  const api = await connect(world, options.context)
  api.begin()
  const style = styleOf(world)
  const say = (emoji: string, sentence: string) => {
    const stream = options.json ? world.stderr : world.stdout
    stream.write(`${withEmoji(style, emoji, sentence)}\n`)
  }
  const code =
    fromGit ??
    (await syncCode(api, world, options, () => say('✨', `Preparing uncommitted changes${style.ellipsis}`)))
  const answer = await submit(api, described({ ...wanted, code }, options))
  for (const warning of answer.warnings) note(world, `Warning: ${warning}`)
  announce(world, options, style, answer.runId)
  if (options.background) return
  await watchRun(api, world, {
    runId: answer.runId,
    follow: true,
    tailLines: undefined,
    verbose: options.verbose ?? false,
    output: options.json ? 'json' : 'story',
    submittedHere: true,
    exitCode: options.exitCode ?? api.login.config.exitCode,
  })
}

/** Packs and uploads what the run needs of the repository around us. */
async function syncCode(
  api: Api,
  world: World,
  options: RunOptions,
  onUncommitted: () => void,
): Promise<Code> {
  const wishes = {
    commitRef: options.commitRef,
    force: options.force ?? false,
    includeUntracked: options.includeUntracked ?? false,
    includeUncommitted: api.login.config.includeUncommitted,
    onUncommitted,
  }
  return await interruptible(world, async (signal) => {
    const packed = await codeFromHere(world, wishes, signal)
    if (!packed) return { kind: 'none' }
    try {
      const name = `code/${packed.code.packSha256}`
      await uploadObject(api, world, { name, file: packed.packFile, bytes: packed.packBytes }, signal)
      return packed.code
    } finally {
      await packed.dispose()
    }
  })
}

/** A run without a description has the subject of its commit. */
function described(spec: RunSpec, options: RunOptions): RunSpec {
  if (options.description !== undefined || spec.code.kind !== 'synced') return spec
  return { ...spec, description: spec.code.commitSubject }
}

function announce(world: World, options: RunOptions, style: Style, runId: number): void {
  if (options.json) {
    world.stdout.write(`${JSON.stringify({ event: 'submitted', id: runId })}\n`)
    return
  }
  world.stdout.write(`${withEmoji(style, '💫', `Casting spell #${runId}${style.ellipsis}`)}\n`)
  const next = options.background
    ? `View logs with \`spell logs ${runId}\``
    : withEmoji(style, '✨', 'Stop viewing logs with ^C')
  world.stdout.write(`${next}\n`)
}

/** An error may come from an option that was meant for the user's command: then it says so. */
function withRemark(error: unknown, scanned: Scan): unknown {
  const remark = takenNote(scanned)
  if (remark === undefined || !scanned.takenFlags.some((flag) => misleading.has(flag))) return error
  if (error instanceof Failure && exitsOfRequests.has(error.exit)) {
    return new Failure(error.exit, `${error.message}\n${remark}`, { cause: error })
  }
  if (error instanceof RpcError && codesOfRequests.has(error.code)) {
    return new RpcError(error.code, `${error.message}\n${remark}`, { cause: error })
  }
  return error
}

/** Their short forms -c, -m and -t are options of many other programs. */
const misleading: ReadonlySet<string> = new Set(['--commit-ref', '--machine-type', '--mount'])

/** Of errors about what was asked for; a lost connection is no option's fault. */
const exitsOfRequests: ReadonlySet<ExitWord> = new Set([
  'usage',
  'configuration',
  'workspace',
  'commit',
  'repository',
])
const codesOfRequests: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'FAILED_PRECONDITION',
  'UNIMPLEMENTED',
])
