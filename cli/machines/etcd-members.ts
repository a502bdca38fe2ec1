import { Failure } from '../failure.js'
import { hostFrom, isThisMachine } from './hosts.js'

/** One member of the cluster's etcd and the machine that it is on. */
export interface EtcdMember {
  readonly name: string
  readonly host: string
}

/** `a=HOST,b=HOST,c=HOST`, `HOST,HOST,HOST` or `HOST`. Throws Failure('usage'). */
export function parseMembers(written: string): readonly EtcdMember[] {
  const members = written
    .split(',')
    .map((one) => one.trim())
    .map((one, index): EtcdMember => {
      const [name, host] = one.includes('=') ? one.split('=', 2) : [`etcd-${index + 1}`, one]
      if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,30}$/.test(name ?? ''))
        throw new Failure('usage', `--etcd names a member "${name}": letters, digits and dashes, please.`)
      return { name: name ?? '', host: hostFrom('--etcd', host ?? '') }
    })
  if (members.length !== 1 && members.length !== 3)
    throw new Failure(
      'usage',
      `--etcd takes one member or three, not ${members.length}: two can bear no loss that one could not.`,
    )
  for (const key of ['name', 'host'] as const)
    if (new Set(members.map((member) => member[key])).size !== members.length)
      throw new Failure('usage', `--etcd has two members of one ${key}.`)
  return members
}

/** The member that is on this machine. Throws Failure where that isn't exactly one. */
export async function ownMember(
  members: readonly EtcdMember[],
  ownHosts: readonly string[],
): Promise<EtcdMember> {
  const own: EtcdMember[] = []
  for (const member of members)
    if (ownHosts.includes(member.host) || (await isThisMachine(member.host))) own.push(member)
  const [found, ...others] = own
  if (found && others.length === 0) return found
  const hosts = members.map((member) => member.host).join(', ')
  throw new Failure(
    'usage',
    found
      ? `Several of --etcd's machines are this one: ${own.map((member) => member.host).join(', ')}.`
      : `None of --etcd's machines (${hosts}) is this one; the first coordinator has a member beside it. See --address.`,
  )
}
