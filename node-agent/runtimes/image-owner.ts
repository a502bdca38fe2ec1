import { RpcError } from '../../common/errors.js'
import type { DockerEngine } from './docker-engine.js'
import type { Image } from './docker-image.js'
import { firstTarFile } from './tar-file.js'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Who an image's USER is, by the files that the image brings, as the engine works it out when it starts a container. */
export async function ownerOf(engine: DockerEngine, image: Image, signal: AbortSignal): Promise<Owner> {
  const [user = '', group] = image.user.split(':')
  if (user === '' || user === 'root' || user === '0') if (group === undefined) return { uid: 0, gid: 0 }
  if (isNumber(user) && group !== undefined && isNumber(group))
    return { uid: Number(user), gid: Number(group) }
  const body = { Image: image.digest, Entrypoint: ['/none'], Cmd: [], HostConfig: { NetworkMode: 'none' } }
  const created = await engine.call({ method: 'POST', path: '/containers/create', body, signal })
  const { Id } = created.body as { Id: string }
  try {
    const passwd = await fileIn(engine, Id, '/etc/passwd', signal)
    const groups = group === undefined ? '' : await fileIn(engine, Id, '/etc/group', signal)
    return resolveOwner(image.user, passwd, groups)
  } finally {
    await engine.call({ method: 'DELETE', path: `/containers/${Id}`, query: { v: '1' }, accepted: [404] })
  }
}

/** What USER is in the run; undefined where the image says it itself, or has a number for its user. */
export function userNameOf(image: Image): string | undefined {
  if (image.namesUser) return undefined
  const [user = ''] = image.user.split(':')
  if (user === '' || user === '0') return 'root'
  return isNumber(user) ? undefined : user
}

/** passwd(5), group(5). A number that no line knows is taken as it is, with group 0. */
export function resolveOwner(wanted: string, passwd: string, groups: string): Owner {
  const [user = '', group] = wanted.split(':')
  const account = entries(passwd).find(([name, , uid]) => name === user || (isNumber(user) && uid === user))
  if (!account && user !== '' && !isNumber(user)) throw unknown('user', user)
  const uid = Number(account?.[2] ?? user)
  if (group === undefined || group === '') return { uid, gid: Number(account?.[3] ?? 0) }
  const line = entries(groups).find(([name]) => name === group)
  if (!line && !isNumber(group)) throw unknown('group', group)
  return { uid, gid: Number(line?.[2] ?? group) }
}

function entries(file: string): readonly (readonly string[])[] {
  return file.split('\n').map((line) => line.split(':'))
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text)
}

function unknown(what: string, name: string): RpcError {
  return new RpcError(
    'FAILED_PRECONDITION',
    `The image runs as ${what} ${name}, whom it does not know itself.`,
  )
}

/** A small file of a container; empty where there is none. Follows links, which some systems make of /etc/passwd. */
async function fileIn(
  engine: DockerEngine,
  container: string,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  let next = path
  for (let links = 0; links < 5; links += 1) {
    const call = { method: 'GET', path: `/containers/${container}/archive`, query: { path: next } } as const
    const { stream, status } = await engine.open({ ...call, accepted: [404], signal })
    const file = await firstTarFile(stream)
    if (status === 404 || !file) return ''
    if (file.linkTo === undefined) return file.content
    next = new URL(file.linkTo, `file://${next}`).pathname
  }
  return ''
}
