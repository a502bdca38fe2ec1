import { type Command, InvalidArgumentError } from 'commander'
import type { ListMachineTypesResponse__Output } from '../../proto/gen/spell/v1/ListMachineTypesResponse.js'
import type { MadeMachineType__Output } from '../../proto/gen/spell/v1/MadeMachineType.js'
import { type Api, connect } from '../api.js'
import { parseSize } from '../cluster/size.js'
import { collect, defineBelow, mostOnTheWire, wholeNumber } from '../define.js'
import { Failure } from '../failure.js'
import { timeAsJson } from '../output/run-json.js'
import { printable } from '../output/style.js'
import { note, type World } from '../world.js'
import { addGetToken } from './get-token.js'
import { addListTypes } from './list.js'

/** `spell cluster machine-type …`: the types of machines that runs can ask for. */
export function addMachineTypeCommands(world: World, parent: Command): void {
  const types = defineBelow(world, parent, 'machine-type', 'The types of machines that runs can ask for.')
  addListTypes(world, types)
  addAdd(world, types)
  addScale(world, types)
  addDelete(world, types)
  addGetToken(world, types)
}

interface AddOptions {
  readonly context?: string
  readonly json?: boolean
  readonly name?: string
  readonly gpuModel?: string
  readonly gpus?: number
  readonly cpus?: number
  readonly memory?: string
  readonly storageSize?: number
  readonly label?: readonly string[]
  readonly limit?: number
  readonly spot?: boolean
  readonly defaultAutoResume?: boolean
}

/** What a type of machines in a cloud has; machines of one's own are there or are not. */
const meaningless = [
  ...['--min-machines', '--min-instances', '--max-machines', '--max-instances', '--idle-timeout'],
  ...['--instance-type', '--default-instances', '--machine-image', '--region', '--zone'],
]

const addExamples = `
Examples:
  spell cluster machine-type add --name big --gpu-model A100 --gpus 4 --cpus 32 --memory 256G
  spell cluster machine-type add --name scratch --label fast-disk --storage-size 500 --limit 10
`

function addAdd(world: World, types: Command): void {
  const command = defineBelow(world, types, 'add', 'Make a machine type.')
    .requiredOption('--name <name>', 'what runs ask for: spell run -t NAME')
    .option('--gpu-model <model>', 'such as V100, A100-80GB or A100-80GB-1g.10gb')
    .option('--gpus <k>', 'how many of them (1 with --gpu-model, else 0)', wholeNumber(0, mostOnTheWire))
    .option('--cpus <c>', 'cores (with GPUs their share of the machine, else as CPU)', cores)
    .option('--memory <size>', 'such as 64G (as --cpus)')
    .option(
      '--storage-size <gb>',
      'GB of disk that must be free, and that a run may write',
      wholeNumber(1, mostOnTheWire),
    )
    .option('--label <label>', 'that a machine must have: spell node label (repeatable)', collect)
    .option('--limit <n>', 'how many runs of it may be on machines at once', wholeNumber(1, mostOnTheWire))
    .option('--spot', 'its machines may go at any time: runs are repeated unless they say otherwise')
    .option('--default-auto-resume', 'repeat runs whose machine is lost, unless they say otherwise')
    .option('--json', 'the type as a JSON object')
    .addHelpText('after', addExamples)
  for (const name of meaningless) command.addOption(command.createOption(`${name} [value]`).hideHelp())
  command.action(async () => {
    refuseMeaningless(command)
    const options = command.optsWithGlobals<AddOptions>()
    refuseNoModel(options)
    const api = await connect(world, options.context)
    const type = await api.call<MadeMachineType__Output>('MachineTypes', 'Add', requestOf(options))
    say(world, options, type, `Machine type ${type.name} is made: spell run -t ${quoted(type.name)} …`)
    await warnWhereNobodyHasIt(world, api, type.name)
  })
}

function refuseNoModel({ gpuModel, gpus }: AddOptions): void {
  if (gpuModel?.trim() === '')
    throw new Failure('usage', '--gpu-model needs the name of a model, such as V100; leave it out for any.')
  if (gpuModel !== undefined && gpus === 0)
    throw new Failure(
      'usage',
      '--gpu-model and --gpus 0 exclude each other: say how many, or leave the model out.',
    )
}

/** Nothing is wrong with a type for machines that are yet to join; a wrong number looks the same. */
async function warnWhereNobodyHasIt(world: World, api: Api, name: string): Promise<void> {
  const { machineTypes } = await api.call<ListMachineTypesResponse__Output>('Cluster', 'ListMachineTypes', {})
  const listed = machineTypes.find((type) => type.made && type.name === name)
  if (listed?.nodeCount !== 0) return
  note(
    world,
    printable(`Warning: no node of this cluster can give a ${name} machine. Its runs wait until one can.`),
  )
}

function refuseMeaningless(command: Command): void {
  for (const option of command.options) {
    if (!meaningless.includes(option.long ?? '')) continue
    if (command.getOptionValue(option.attributeName()) === undefined) continue
    throw new Failure(
      'usage',
      `${option.long} is about machines that are rented and returned; those of this cluster are its own. See --limit and --label.`,
    )
  }
}

function requestOf(options: AddOptions): object {
  return {
    name: options.name ?? '',
    gpuModel: options.gpuModel ?? '',
    gpuCount: options.gpus ?? 0,
    cpus: options.cpus ?? 0,
    memoryBytes: options.memory === undefined ? 0 : parseSize('--memory', options.memory),
    storageBytes: (options.storageSize ?? 0) * 1e9,
    labels: options.label ?? [],
    limit: options.limit ?? 0,
    spot: options.spot ?? false,
    defaultAutoResume: options.defaultAutoResume ?? false,
  }
}

function addScale(world: World, types: Command): void {
  const command = defineBelow(
    world,
    types,
    'scale',
    'Change how many runs of a made type there may be at once.',
  )
    .argument('<name>', 'name of the type')
    .argument('<n>', 'so many runs at once; 0: no limit', wholeNumber(0, mostOnTheWire))
    .option('--json', 'the type as a JSON object')
  command.action(async (name: string, limit: number) => {
    const options = command.optsWithGlobals<{ context?: string; json?: boolean }>()
    const api = await connect(world, options.context)
    const type = await api.call<MadeMachineType__Output>('MachineTypes', 'Scale', { name, limit })
    const sentence =
      limit === 0
        ? `Machine type ${type.name} has no limit any more.`
        : `Machine type ${type.name} may be used by ${limit === 1 ? 'one run' : `${limit} runs`} at once.`
    say(world, options, type, sentence)
  })
}

function addDelete(world: World, types: Command): void {
  const command = defineBelow(world, types, 'delete', 'Delete a made machine type.')
    .argument('<name>', 'name of the type')
    .option('--json', 'the type as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<{ context?: string; json?: boolean }>()
    const api = await connect(world, options.context)
    const type = await api.call<MadeMachineType__Output>('MachineTypes', 'Delete', { name })
    say(world, options, type, `Machine type ${type.name} is deleted.`)
  })
}

function say(
  world: World,
  options: { readonly json?: boolean },
  type: MadeMachineType__Output,
  sentence: string,
): void {
  world.stdout.write(`${options.json ? JSON.stringify(asJson(type)) : printable(sentence)}\n`)
}

function asJson(type: MadeMachineType__Output): object {
  return {
    name: type.name,
    gpu_model: type.gpuModel || null,
    gpu_count: type.gpuCount,
    cpus: type.cpus || null,
    memory_bytes: type.memoryBytes || null,
    storage_bytes: type.storageBytes || null,
    labels: type.labels,
    limit: type.limit || null,
    spot: type.spot,
    default_auto_resume: type.defaultAutoResume,
    created_by: type.createdBy,
    created_at: timeAsJson(type.createdAtMs),
  }
}

function cores(value: string): number {
  const number = Number(value)
  if (value.trim() !== '' && Number.isFinite(number) && number > 0) return number
  throw new InvalidArgumentError('It must be a number above 0.')
}

function quoted(name: string): string {
  return name.includes(' ') ? `"${name}"` : name
}
