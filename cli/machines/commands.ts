import { type Command, Option } from 'commander'
import { collect, defineBelow, mostOnTheWire, wholeNumber } from '../define.js'
import type { World } from '../world.js'
import type { JoinCoordinatorFlags } from './join-coordinator.js'
import type { JoinNodeFlags } from './join-node.js'
import type { LeaveFlags } from './leave.js'
import { addStart } from './start-command.js'
import type { TokenFlags } from './tokens.js'

/** `spell cluster coordinator-token`. */
export function addCoordinatorToken(world: World, parent: Command): void {
  const summary = 'Print what makes another machine a coordinator (for admins).'
  const command = defineBelow(world, parent, 'coordinator-token', summary)
    .option('--ttl <time>', 'how long it is good, such as 90m or 24h (1h)')
    .option('--allow-process-nodes', 'have it join with this option')
    .option('--installed', 'print what is typed where spell is installed already')
    .option('--json', 'a JSON object')
  command.action(async () => {
    const { printToken } = await import('./tokens.js')
    await printToken(world, 'JOIN_COORDINATOR', command.optsWithGlobals<TokenFlags>())
  })
}

/** `spell coordinator join` and `start`. */
export function addCoordinatorCommands(world: World, parent: Command): void {
  const command = defineBelow(world, parent, 'join', 'Make this machine a coordinator of a cluster.')
    .argument('<address>', 'host:port of coordinators, separated by commas')
    .option('--ca-hash <hash>', "SHA-256 of the cluster's certificate authority")
    .option(
      '--token-stdin',
      'read the join token from standard input (else SPELL_JOIN_TOKEN, or it is asked for)',
    )
    .option('--name <name>', "this coordinator's name (this machine's)")
    .option(
      '--address <host>',
      'name or address of this machine for its certificate; repeatable, the first is what others dial',
      collect,
    )
    .option('--store <dir>', "the cluster's store, where it is shared (where the leader has it)")
    .option('--shared', 'every coordinator has the store, as with NFS; not where one serves it')
    .option('--allow-process-nodes', 'take nodes whose runs are plain processes of one user')
    .option(
      '--dir <dir>',
      'its folder (/var/lib/spell/coordinator, or ~/.spell/coordinator where you are not root)',
    )
    .option('--foreground', 'stay and keep it running, also where there is systemd')
  command.action(async (address: string, flags: JoinCoordinatorFlags) => {
    const { joinAsCoordinator } = await import('./join-coordinator.js')
    await joinAsCoordinator(world, address, flags)
  })
  addStart(world, parent, 'coordinator', "Start this machine's coordinator; under systemd as a unit.")
}

/** `spell node token`, `join`, `leave` and `start`. */
export function addNodeCommands(world: World, parent: Command): void {
  const summary = 'Print what makes another machine a node (for admins).'
  const token = defineBelow(world, parent, 'token', summary)
    .option('--uses <n>', 'how many machines may join with it (1)', wholeNumber(1, mostOnTheWire))
    .option('--ttl <time>', 'how long it is good, such as 90m or 24h (1h)')
    .option('--type <name>', 'the machine type that they will be (whatever they are)')
    .addOption(
      new Option('--runtime <name>', 'have them join with this option').choices([
        'docker',
        'process',
      ] as const),
    )
    .option('--installed', 'print what is typed where spell is installed already')
    .option('--json', 'a JSON object')
  token.action(async () => {
    const { printToken } = await import('./tokens.js')
    await printToken(world, 'JOIN_NODE', token.optsWithGlobals<TokenFlags>())
  })
  addNodeJoin(world, parent)
  addStart(world, parent, 'node', "Start this machine's node agent; under systemd as a unit.")
}

function addNodeJoin(world: World, parent: Command): void {
  const join = defineBelow(world, parent, 'join', 'Make this machine a node of a cluster, after checking it.')
    .argument('<address>', 'host:port of coordinators, separated by commas')
    .option('--ca-hash <hash>', "SHA-256 of the cluster's certificate authority")
    .option(
      '--token-stdin',
      'read the join token from standard input (else SPELL_JOIN_TOKEN, or it is asked for)',
    )
    .option('--name <name>', "the node's name (this machine's)")
    .addOption(
      new Option('--runtime <name>', 'what runs execute in (docker)').choices(['docker', 'process'] as const),
    )
    .option('--docker-socket <path>', 'of the Docker Engine (/var/run/docker.sock)')
    .option('--force', 'join although something is wrong')
    .option('--dir <dir>', 'its folder (/var/lib/spell/node, or ~/.spell/node where you are not root)')
    .option('--foreground', 'stay and keep it running, also where there is systemd')
  join.action(async (address: string, flags: JoinNodeFlags) => {
    const { joinAsNode } = await import('./join-node.js')
    await joinAsNode(world, address, flags)
  })
  const leave = defineBelow(world, parent, 'leave', 'End the agent of this machine and forget who it was.')
    .option('-y, --yes', 'do not ask')
    .option('--dir <dir>', 'its folder (/var/lib/spell/node, or ~/.spell/node where you are not root)')
  leave.action(async (flags: LeaveFlags) => {
    const { leave: leaveCluster } = await import('./leave.js')
    await leaveCluster(world, flags)
  })
}
