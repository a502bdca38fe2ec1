import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { defineBelow, wholeNumber } from '../define.js'
import { Failure } from '../failure.js'
import { printable } from '../output/style.js'
import { table } from '../output/table.js'
import type { World } from '../world.js'
import { type RuntimeChoice, runtimeChoices } from './choose-runtime.js'
import { clusterDirOf, withDir } from './cluster-dir.js'
import { parseSize } from './size.js'

/** `spell cluster up`, `down`, `status` and `make-image`: a whole cluster on this machine. */
export function addLocalClusterCommands(world: World, parent: Command): void {
  addUp(world, parent)
  addDown(world, parent)
  addStatus(world, parent)
  addMakeImage(world, parent)
}

interface UpFlags {
  readonly nodes?: number
  readonly coordinators?: number
  readonly runtime?: RuntimeChoice
  readonly nvidiaSmi?: string
  readonly cpus?: number
  readonly memory?: string
  readonly detach?: true
  readonly json?: true
}

function addUp(world: World, parent: Command): void {
  withDir(defineBelow(world, parent, 'up', 'Bring up a cluster on this machine.'))
    .option('--nodes <n>', 'how many node agents (1)', wholeNumber(1))
    .option('--coordinators <n>', 'how many coordinators (1)', wholeNumber(1))
    .addOption(
      new Option(
        '--runtime <name>',
        'what runs execute in (auto: docker, or process where there is none)',
      ).choices(runtimeChoices),
    )
    .option('--nvidia-smi <path>', 'the nvidia-smi to ask about GPUs')
    .option('--cpus <n>', 'cores that each node offers (its share of the machine)', positiveNumber)
    .option('--memory <size>', 'memory that each node offers, such as 16G (its share of the machine)')
    .option('--detach', 'return when the cluster is up, and leave it running')
    .option('--json', 'a JSON object when the cluster is up')
    .action(async (flags: UpFlags, command: Command) => {
      const dir = await clusterDirOf(world, command)
      const { bringUp, restoreLogin } = await import('./up.js')
      if (await restoreLogin(world, dir)) return
      const plan = await bringUp(world, {
        dir,
        nodes: flags.nodes,
        coordinators: flags.coordinators,
        runtime: flags.runtime,
        nvidiaSmi: flags.nvidiaSmi === undefined ? undefined : resolve(world.cwd, flags.nvidiaSmi),
        cpus: flags.cpus,
        memoryBytes: flags.memory === undefined ? undefined : memorySize(flags.memory),
      })
      const { sayUp } = await import('./say-up.js')
      await sayUp(world, dir, plan, flags.json ? 'json' : 'sentences')
      if (flags.detach) return
      const { stayAttached } = await import('./stay-attached.js')
      await stayAttached(world, dir)
    })
}

function addDown(world: World, parent: Command): void {
  withDir(defineBelow(world, parent, 'down', 'End a cluster of this machine, and the runs in it.'))
    .option('-y, --yes', 'do not ask before ending runs')
    .option('--json', 'a JSON object when the cluster is down')
    .action(async (flags: { readonly yes?: true; readonly json?: true }, command: Command) => {
      const { takeDown } = await import('./down.js')
      const dir = await clusterDirOf(world, command)
      const { name } = await takeDown(world, dir, flags.yes ? 'yes' : 'ask')
      if (flags.json) world.stdout.write(`${JSON.stringify({ name, dir })}\n`)
    })
}

function addStatus(world: World, parent: Command): void {
  withDir(defineBelow(world, parent, 'status', 'Show the processes of a cluster of this machine.'))
    .option('--json', 'as JSON')
    .action(async (flags: { readonly json?: true }, command: Command) => {
      const { clusterStatus } = await import('./status.js')
      const status = await clusterStatus(world, await clusterDirOf(world, command))
      if (flags.json) {
        world.stdout.write(`${JSON.stringify(status)}\n`)
        return
      }
      const { name, dir, state, runtime } = status
      world.stdout.write(`${printable(`${name} (${dir}) is ${state}; its runs execute in: ${runtime}.`)}\n`)
      world.stdout.write(
        table(
          ['ROLE', 'NAME', 'PID', 'ADDRESS', 'LEADER', 'RESTARTS', 'LOG'],
          status.processes.map((one) => [
            one.role,
            one.name,
            String(one.pid ?? '-'),
            one.address ?? '-',
            one.role === 'coordinator' ? (one.leader ? 'yes' : 'no') : '',
            String(one.restarts),
            one.log,
          ]),
        ),
      )
    })
}

function addMakeImage(world: World, parent: Command): void {
  const summary = 'Make the image of runs that name none, where no registry answers (needs root).'
  defineBelow(world, parent, 'make-image', summary).action(async () => {
    const [{ makeImageIfNeeded }, { localEnvironment }] = await Promise.all([
      import('./default-image.js'),
      import('./settings.js'),
    ])
    await makeImageIfNeeded(world, localEnvironment())
  })
}

function positiveNumber(value: string): number {
  const number = Number(value)
  if (value.trim() !== '' && Number.isFinite(number) && number > 0) return number
  throw new InvalidArgumentError('It must be a number above 0.')
}

/** No run can begin with less, and a number without a unit is bytes: most likely it was meant to have one. */
const leastMemoryBytes = 64 * 1024 ** 2

function memorySize(text: string): number {
  const bytes = parseSize('--memory', text)
  if (bytes < leastMemoryBytes)
    throw new Failure('usage', `--memory must be at least 64M, such as 16G; "${text}" is ${bytes} bytes.`)
  return bytes
}
