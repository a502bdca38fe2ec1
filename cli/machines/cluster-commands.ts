import type { Command } from 'commander'
import { collect, defineBelow } from '../define.js'
import { note, type World } from '../world.js'
import type { InitFlags, MadeCluster } from './init.js'

const example = `
Examples:
  spell cluster init --name lab --store /srv/spell
  spell cluster init --name lab --address a.lab.org --etcd a=a.lab.org,b=b.lab.org,c=c.lab.org --store /nfs/spell --shared
`

/** `spell cluster init`: the first machine of a cluster over several. */
export function addInit(world: World, parent: Command): void {
  const command = defineBelow(world, parent, 'init', 'Make this machine the first of a cluster over several.')
    .option('--name <name>', "the cluster's name (this machine's)")
    .option('--id <id>', "this coordinator's name (this machine's)")
    .option(
      '--address <host>',
      'name or address of this machine for certificates; repeatable, the first is what others dial',
      collect,
    )
    .option(
      '--etcd <members>',
      'a=HOST or a=HOST,b=HOST,c=HOST: machines of etcd, this one among them (this one)',
    )
    .option('--store <dir>', 'the folder of the object store (DIR/coordinator/store)')
    .option(
      '--shared',
      'every coordinator has the store under this path, as with NFS (this one serves it to the others)',
    )
    .option('--allow-process-nodes', 'take nodes whose runs are plain processes of one user')
    .option('--dir <dir>', 'the folder of its programs (/var/lib/spell, or ~/.spell where you are not root)')
    .option('--foreground', 'stay and keep the programs running, also where there is systemd')
    .option('--json', 'a JSON object when it is made')
    .addHelpText('after', example)
  command.action(async (flags: InitFlags & { readonly foreground?: true; readonly json?: true }) => {
    const [{ makeCluster }, { planStart }, { startAll }, { whyNoUnits }] = await Promise.all([
      import('./init.js'),
      import('./program-plans.js'),
      import('./start.js'),
      import('./systemd.js'),
    ])
    const made = await makeCluster(world, flags)
    if (flags.json) world.stdout.write(`${JSON.stringify(asJson(made))}\n`)
    sayMade(world, made)
    const without = whyNoUnits()
    if (flags.foreground || without === undefined) {
      await startAll(world, [planStart(made.etcd), planStart(made.coordinator)], flags)
      return
    }
    note(world, `${without}. Keep these two running:`)
    for (const { name, dir } of [made.etcd, made.coordinator])
      note(world, `  spell ${name} start --dir ${dir}`)
  })
}

function sayMade(world: World, made: MadeCluster): void {
  note(world, `The cluster ${made.name} is made; its first coordinator will be at ${made.address}.`)
  note(world, `You are its administrator: the context "${made.contextName}" leads to it.`)
  note(world, `The hash of its authority: ${made.authorityHash}`)
  for (const { member, dir } of made.otherMembers)
    note(
      world,
      `The folder ${dir} belongs on ${member.host}, as its /var/lib/spell/etcd; then, there: spell etcd start. It holds a key: delete it here.`,
    )
}

function asJson(made: MadeCluster): object {
  return {
    name: made.name,
    context: made.contextName,
    address: made.address,
    ca_sha256: made.authorityHash,
    etcd_dir: made.etcd.dir,
    coordinator_dir: made.coordinator.dir,
    other_members: made.otherMembers.map(({ member, dir }) => ({ ...member, dir })),
  }
}
