import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { addContext } from '../../../cli/config.js'
import { spellProgram } from '../../fixtures/cluster.js'
import { adminToken, startScheduleCluster } from '../schedule/cluster.js'
import type { FailoverCluster } from './cluster.js'

/** The programs as processes of this machine, with the times of a real cluster and every connection through a proxy. */
export async function loopbackCluster(): Promise<FailoverCluster> {
  const cluster = await startScheduleCluster({
    ...{ leaseTtlSeconds: 5, etcdMembers: 3, limits: { allowProcessNodes: true } },
  })
  const { folder, links, members, ca } = cluster
  const client = join(folder, 'client')
  mkdirSync(join(folder, 'work'))
  await addContext(client, {
    ...{ name: 'test', addresses: cluster.userAddresses, ca, token: adminToken, userName: 'ada' },
  })
  const program = (name: string) => {
    const found = cluster.coordinators.find((each) => each.name === name)?.program
    if (!found) throw new Error(`there is no coordinator ${name}`)
    return found
  }
  const kept = (name: string) => cluster.coordinators.find((each) => each.name === name)
  const start = async (name: string) => {
    program(name).start()
    await program(name).says('This coordinator listens')
  }
  const pairs = (name: string, other: 'etcd' | 'agents') =>
    other === 'etcd'
      ? ([[name, 'etcd']] as const)
      : cluster.agents.map((agent) => [agent.name, name] as const)
  for (const { name } of cluster.coordinators) await start(name)
  for (const agent of cluster.agents) agent.start()
  return {
    coordinators: ['c1', 'c2'],
    folder,
    leader: async () => (await cluster.leader())?.name,
    kill: (name) => program(name).signal('SIGKILL'),
    start,
    pause: async (name) => await kept(name)?.pause(),
    resume: async (name) => await kept(name)?.resume(),
    part(name, other) {
      for (const [from, to] of pairs(name, other)) links.stall(from, to)
    },
    mend(name, other) {
      for (const [from, to] of pairs(name, other)) links.heal(from, to)
    },
    killEtcd: async (member) => await members[member]?.kill(),
    startEtcd: async (member) => await members[member]?.restart(),
    open: (first) => cluster.open(first),
    spell: (words) =>
      spawn(process.execPath, [spellProgram, ...words], {
        cwd: join(folder, 'work'),
        env: { PATH: process.env.PATH, HOME: folder, LANG: 'C.UTF-8', SPELL_DIR: client },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    stop: () => cluster.stop(),
  }
}
