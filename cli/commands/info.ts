import type { Command } from 'commander'
import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import { isFinal, stateFromWire } from '../../proto/model/run-state.js'
import { connect } from '../api.js'
import { define, runId } from '../define.js'
import { humanBytes } from '../output/bytes.js'
import { localTime } from '../output/dates.js'
import { goDuration } from '../output/duration.js'
import { endedAtMs, machineOf, repositoryOf, runAsJson, startedAtMs } from '../output/run-json.js'
import { plainStatus } from '../output/status.js'
import { printable } from '../output/style.js'
import { table } from '../output/table.js'
import { write } from '../output/write.js'
import type { World } from '../world.js'

interface InfoOptions {
  readonly context?: string
  readonly showEnv?: boolean
  readonly json?: boolean
}

const examples = `
Examples:
  spell info 7
  spell info 7 --json | jq .exit_code
`

export function build(world: World): Command {
  const command = define(world, 'info', 'Show all that is known of a run.')
    .argument('<id>', 'id of the run', runId)
    .option('--show-env', 'the values of environment variables as well (of your own runs)')
    .option('--json', 'as a JSON object')
    .addHelpText('after', examples)
  return command.action(async (id: number) => {
    const options = command.opts<InfoOptions>()
    const api = await connect(world, options.context)
    const run = await api.call<Run__Output>('Runs', 'Get', { runId: id, showEnv: options.showEnv ?? false })
    if (options.json) return await write(world.stdout, `${JSON.stringify(runAsJson(run))}\n`)
    const rows = rowsOf(run, options.showEnv ?? false, world.clock.now()).filter(([, value]) => value !== '')
    await write(
      world.stdout,
      table(
        [],
        rows.map(([name, value]) => [name, printable(value)]),
      ),
    )
  })
}

function rowsOf(run: Run__Output, showEnv: boolean, now: number): readonly (readonly [string, string])[] {
  return [
    ['Run', String(run.id)],
    ...aboutWork(run),
    ...aboutTime(run, now),
    ...aboutSurroundings(run, showEnv),
    ...aboutEnd(run),
  ]
}

function aboutWork(run: Run__Output): readonly (readonly [string, string])[] {
  const spec = run.spec
  const git = spec?.code?.git
  return [
    ['Project', run.project],
    ['Repository', repositoryOf(run)],
    ['Git Commit', spec?.code?.synced?.commitHash ?? git?.ref ?? ''],
    ['Status', plainStatus(run)],
    ['Reason', run.reason],
    ['Failed Step', run.failedStep],
    ['Resumed As Run', ''],
    ['Command', spec?.command ?? ''],
    ['Description', spec?.description ?? ''],
    ['Creator', run.creator],
    ['Machine Type', machineOf(run)],
    ['Node', run.nodeName],
    ['GPUs', run.gpuUuids.join(', ')],
    ['Docker Image', spec?.environment?.dockerImage ?? ''],
    ['GitHub URL', git?.url ?? ''],
  ]
}

function aboutTime(run: Run__Output, now: number): readonly (readonly [string, string])[] {
  const startedAt = startedAtMs(run)
  const endedAt = endedAtMs(run)
  const lasts = startedAt > 0 ? (endedAt || now) - startedAt : 0
  const shares = run.states.flatMap((entry, index) => {
    const state = stateFromWire(entry.state)
    if (isFinal(state)) return []
    const leftAt = run.states[index + 1]?.enteredAtMs ?? now
    return [`${state} ${goDuration(entry.durationMs || Math.max(0, leftAt - entry.enteredAtMs))}`]
  })
  return [
    ['Created', localTime(run.createdAtMs)],
    ['Start Time', localTime(startedAt)],
    ['End Time', localTime(endedAt)],
    ['Duration', startedAt > 0 ? goDuration(Math.max(0, lasts)) : ''],
    ['Time Spent', shares.join(', ')],
    ['Attempt', run.attempt > 1 ? String(run.attempt) : ''],
    ['Resumed', run.notes.filter(isLostAttempt).join('; ')],
    ['Auto Resume', autoResumeOf(run)],
  ]
}

function aboutSurroundings(run: Run__Output, showEnv: boolean): readonly (readonly [string, string])[] {
  const spec = run.spec
  const environment = spec?.environment
  const env = (spec?.env ?? []).map(({ name, value }) => (showEnv ? `${name}=${value}` : name))
  return [
    ['Labels', run.labels.join(', ')],
    ['Mounts', (spec?.mounts ?? []).map(({ resource, path }) => `${resource} at ${path}`).join(', ')],
    ['Environment Vars', env.join(', ')],
    ['Python Environment', environment?.framework ?? ''],
    ['Requirements File', (environment?.pipRequirements ?? []).map((file) => file.name).join(', ')],
    ['Pip Packages', (environment?.pipPackages ?? []).join(', ')],
    ['Apt Packages', (environment?.aptPackages ?? []).join(', ')],
    ['Conda Env File', environment?.condaFile?.name ?? ''],
    [
      'Hyperparameters',
      Object.entries(spec?.hyperparameters ?? {})
        .map(([name, value]) => `${name}=${value}`)
        .join(', '),
    ],
  ]
}

function aboutEnd(run: Run__Output): readonly (readonly [string, string])[] {
  const saved =
    run.manifestSha256 === ''
      ? ''
      : `${run.savedFiles} files, ${humanBytes(run.savedBytes)} in runs/${run.id}`
  return [
    ['Outputs', saved],
    ['Archived', run.archived ? 'yes' : ''],
    ['Notes', run.notes.filter((note) => !isLostAttempt(note)).join('; ')],
  ]
}

/** Of an attempt that was repeated, as the cluster notes it. */
function isLostAttempt(note: string): boolean {
  return /^attempt \d+ was lost/.test(note)
}

function autoResumeOf(run: Run__Output): string {
  const asked = run.spec?.limits?.autoResume
  return asked === 'AUTO_RESUME_ON' ? 'on' : asked === 'AUTO_RESUME_OFF' ? 'off' : ''
}
