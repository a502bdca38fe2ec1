import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { currentContext, readConfig } from '../../../cli/config.js'
import { systemClock } from '../../../common/clock.js'
import { type Etcd, readKey } from '../../../coordinator/store/etcd.js'
import { connectEtcd } from '../../../coordinator/store/etcd-client.js'
import { makeKeys } from '../../../coordinator/store/keys.js'
import { Channel } from '../../../proto/channel.js'
import { method } from '../../../proto/wire.js'
import { followPage, type Store } from '../../fixtures/cluster-page.js'
import type { Machine } from '../../fixtures/machines.js'
import { pauseProcess, resumeProcess } from '../../fixtures/pause.js'
import { wayIn } from '../../fixtures/way-in.js'
import { untilAnswered } from '../support/submitter.js'
import type { FailoverCluster } from './cluster.js'

const coordinators = ['alpha', 'beta'] as const
const members = ['alpha', 'beta', 'gamma'] as const
const nodes = ['gpu-1', 'gpu-2', 'gpu-3'] as const

/** For a coordinator to be back. */
const startMs = 60_000

const whoAmI = method('Account', 'WhoAmI')

/** Machines in network namespaces, made a cluster as docs/cluster.md says, and a desk to look at it from. */
export async function pageCluster(t: ExecutionContext, store: Store): Promise<FailoverCluster> {
  const { machines } = await followPage(t, { store, also: ['desk'] })
  const desk = machines.get('desk')
  const folder = join(machines.folder, 'work')
  mkdirSync(folder)
  cpSync(join(machines.get('alpha').disk, 'home/.spell'), join(desk.disk, 'home/.spell'), { recursive: true })
  const open = await administrator(t, desk)
  const etcd = await etcdOf(t, machines.get('gamma'))
  const port = { etcd: 2379, agents: 7001 }
  return {
    ...{ folder, mortals: store === 'home' ? ['beta'] : coordinators },
    async leader() {
      const found = await readKey(etcd, makeKeys('spell/').leader, { timeoutMs: 300 }).catch(() => undefined)
      return found?.entry && JSON.parse(found.entry.value).id
    },
    kill: (name) => killProgram(machines.get(name), 'coordinator'),
    async start(name) {
      await machines
        .get(name)
        .start('spell coordinator start')
        .until(/: started/)
      const channel = open([name])
      await untilAnswered(() => channel.call(whoAmI, {}, { deadlineMs: 3_000 }), AbortSignal.timeout(startMs))
    },
    async pause(name) {
      for (const pid of programOf(machines.get(name), 'coordinator')) await pauseProcess(pid)
    },
    resume(name) {
      for (const pid of programOf(machines.get(name), 'coordinator')) resumeProcess(pid)
    },
    part(name, from) {
      const machine = machines.get(name)
      if (from === 'etcd') for (const other of members) machine.cutFrom(machines.get(other), port.etcd)
      else for (const node of nodes) machines.get(node).cutFrom(machine, port.agents)
    },
    mend(name) {
      for (const each of [name, ...nodes]) machines.get(each).mend()
    },
    killEtcd: (member) => killProgram(machines.get(members[member]), 'etcd'),
    startEtcd: (member) =>
      machines
        .get(members[member])
        .start('spell etcd start')
        .until(/: started/),
    open: (first) => open(first % 2 === 0 ? coordinators : coordinators.toReversed()),
    spell: (words) => desk.type(`spell ${words}`),
  }
}

/** Gives channels to these coordinators. */
async function administrator(
  t: ExecutionContext,
  desk: Machine,
): Promise<(names: readonly string[]) => Channel> {
  const context = currentContext(await readConfig(join(desk.disk, 'home/.spell')))
  if (!context) throw new Error('who follows the page has a context')
  const { ca, token } = context
  const ways = new Map<string, string>()
  for (const name of coordinators) ways.set(name, `127.0.0.1:${await wayIn(t, desk, `${name}:7000`)}`)
  return (names) => {
    const channel = new Channel({
      ...{ addresses: names.map((name) => ways.get(name) ?? ''), tls: { ca }, token },
    })
    t.teardown(() => channel.close())
    return channel
  }
}

async function etcdOf(t: ExecutionContext, machine: Machine): Promise<Etcd> {
  const trust = (name: string) => readFileSync(join(machine.disk, 'lib/etcd/trust', name))
  const client = connectEtcd(
    {
      endpoints: [`localhost:${await wayIn(t, machine, `${machine.name}:2379`)}`],
      tls: { ca: trust('ca.pem'), certificate: trust('cert.pem'), key: trust('key.pem') },
      callTimeoutMs: 2_000,
    },
    systemClock,
  )
  t.teardown(() => client.close())
  return client
}

type ProgramName = 'etcd' | 'coordinator'

function programOf(machine: Machine, name: ProgramName): readonly number[] {
  return machine.processesWith(`=/var/lib/spell/${name}/`)
}

/** Who would start it again goes first. */
async function killProgram(machine: Machine, name: ProgramName): Promise<void> {
  const keepers = ['start', 'join'].flatMap((verb) => machine.processesWith(`\0${name}\0${verb}\0`))
  for (const pid of [...keepers, ...programOf(machine, name)]) process.kill(pid, 'SIGKILL')
  while (programOf(machine, name).length > 0) await systemClock.sleep(5)
}
