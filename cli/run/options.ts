import type { Command } from 'commander'
import { Option } from 'commander'
import { collect, define, duration, wholeNumber } from '../define.js'
import type { World } from '../world.js'

/** The options of `spell run` as commander gives them. */
export interface RunOptions {
  readonly context?: string
  readonly machineType: string
  readonly mount: readonly string[]
  readonly pip: readonly string[]
  readonly pipReq: readonly string[]
  readonly apt: readonly string[]
  readonly condaFile?: string
  readonly env: readonly string[]
  readonly framework?: string
  readonly from?: string
  readonly commitRef?: string
  readonly githubUrl?: string
  readonly githubRef?: string
  readonly description?: string
  readonly label: readonly string[]
  readonly project?: string
  readonly background?: boolean
  readonly force?: boolean
  readonly verbose?: boolean
  readonly stopCondition: readonly string[]
  /** Milliseconds. */
  readonly timeout?: number
  readonly autoResume?: boolean
  readonly disableAutoResume?: boolean
  /** Milliseconds. */
  readonly grace?: number
  readonly exitCode?: boolean
  readonly includeUntracked?: boolean
  readonly rebuild?: boolean
  readonly json?: boolean
  readonly tensorboardDir?: string
  readonly distributed?: number
  readonly idempotent?: boolean
  readonly depsFromEnv?: boolean
}

export function runCommand(world: World): Command {
  const command = define(world, 'run', 'Run a command on a machine of the cluster.')
    .usage('[OPTIONS] COMMAND [ARGS]...')
    .argument(
      '[command...]',
      'the command, as one quoted word or as several; behind -- it may have options of its own',
    )
  whereOptions(command)
  whatOptions(command)
  howOptions(command)
  laterOptions(command)
  return command.addHelpText('after', examples)
}

export function runOptions(command: Command): RunOptions {
  return { ...none, ...command.opts<RunOptions>() }
}

/** What options that may be repeated are when they are not given. */
const none = { mount: [], pip: [], pipReq: [], apt: [], env: [], label: [], stopCondition: [] } as const

function whereOptions(command: Command): void {
  command
    .option('-t, --machine-type <name>', 'type of machine', 'CPU')
    .option('-m, --mount <resource[:path]>', 'mount a resource (repeatable; not yet)', collect)
    .option('-e, --env <name=value>', 'set an environment variable (repeatable)', collect)
    .option(
      '--pip <spec>',
      'install a pip package: name, name==1.2, or a URL of a wheel (repeatable; not yet)',
      collect,
    )
    .option('--pip-req <file>', 'install what a requirements file names (repeatable; not yet)', collect)
    .option('--apt <name[=version]>', 'install an apt package (repeatable; not yet)', collect)
    .option('--conda-file <file>', 'make the environment of this conda file (not yet)')
    .option('--framework <name>', 'machine learning framework of the image (not yet)')
    .option('--from <image>', 'Docker image to run in (also --docker-image, --docker_image)')
    .option('--rebuild', 'build the environment anew (not yet)')
  for (const name of ['docker-image', 'docker_image']) {
    command.addOption(new Option(`--${name} <image>`).hideHelp())
    // All three spellings write one value, so that the last one given counts, as with any option.
    command.on(`option:${name}`, (image: string) => command.setOptionValue('from', image))
  }
}

function whatOptions(command: Command): void {
  command
    .option('-c, --commit-ref <ref>', 'commit to run, instead of HEAD')
    .option('--github-url <url>', 'code from this repository; nothing is synced from here (not yet)')
    .option('--github-ref <ref>', 'branch, tag or commit of --github-url (not yet)')
    .option('--include-untracked', 'untracked files go along')
    .option('-d, --description <text>', "description of the run (default: the commit's subject)")
    .option('--label <label>', 'add a label (repeatable)', collect)
    .option('-p, --project <name>', 'put the run into this project, made when missing')
}

function howOptions(command: Command): void {
  command
    .option('-b, --background', 'do not follow the run')
    .option('-f, --force', 'ask no questions')
    .option('-v, --verbose', 'show all intermediate log lines')
    .option(
      '--stop-condition <condition>',
      '"METRIC OP VALUE[:MIN_INDEX]": stop the run when it is met (repeatable; not yet)',
      collect,
    )
    .option('--timeout <minutes>', 'stop the run after so long in Running; also 90m, 36h', duration('m'))
    .option('--grace <seconds>', 'time between the graceful and the hard signal (default: 60)', duration('s'))
    .option('--auto-resume', 'repeat the run as its next attempt when its machine is lost')
    .option('--disable-auto-resume', 'do not repeat the run when its machine is lost')
    .option('--exit-code', "exit with the run's exit code")
    .option('--json', 'one JSON object a line')
}

function laterOptions(command: Command): void {
  command
    .addOption(new Option('--tensorboard-dir <path>').hideHelp())
    .addOption(new Option('--distributed <n>').argParser(wholeNumber(1)).hideHelp())
    .addOption(new Option('--idempotent').hideHelp())
    .addOption(new Option('--deps-from-env').hideHelp())
}

const examples = `
Options may stand before or behind the command. Words behind -- are the command's own. A shell runs the words, joined by
blanks: quote the whole command where the shell's quotes matter. "not yet": comes with a later version.

Examples:
  spell run "python train.py --epochs 3"
  spell run -t V100x2 --timeout 90m -- python train.py --epochs 3
  spell run --from python:3.11 "python -c 'print(1)'"
`
