import { getgid, getuid } from 'node:process'
import { RpcError } from '../../common/errors.js'
import { type ContainerSettings, ownerChange } from './docker-container.js'
import type { DockerEngine } from './docker-engine.js'
import type { Owner } from './image-owner.js'

// An agent without root may not give files to a container's user, nor read and remove all that a container's root has
// made. A container of the engine does both for it.

/** Undefined: the agent is root, and needs no help. */
export function ownerOfAgent(): Owner | undefined {
  const uid = getuid?.() ?? 0
  return uid === 0 ? undefined : { uid, gid: getgid?.() ?? 0 }
}

/** Everything in the folder, and the folder, belongs to the owner from then on. FAILED_PRECONDITION: not all of it could. */
export async function changeOwner(
  engine: DockerEngine,
  folder: string,
  owner: Owner,
  settings: ContainerSettings,
): Promise<void> {
  const body = ownerChange(folder, owner, await helperImage(engine), settings)
  const created = await engine.call({ method: 'POST', path: '/containers/create', body })
  const path = `/containers/${(created.body as { Id: string }).Id}`
  try {
    await engine.call({ method: 'POST', path: `${path}/start` })
    const ended = await engine.call({ method: 'POST', path: `${path}/wait` })
    if ((ended.body as { StatusCode: number }).StatusCode !== 0)
      throw new RpcError(
        'FAILED_PRECONDITION',
        `Not everything in ${folder} can be given to user ${owner.uid}.`,
      )
  } finally {
    await engine.call({ method: 'DELETE', path, query: { force: '1' }, accepted: [404] })
  }
}

/** An image of nothing: all that a helper needs is mounted into it. */
async function helperImage(engine: DockerEngine): Promise<string> {
  const [repo, tag] = ['spell-helper', '1']
  const known = await engine.call({ method: 'GET', path: `/images/${repo}:${tag}/json`, accepted: [404] })
  if (known.status === 404) {
    const query = { fromSrc: '-', repo, tag }
    await engine.call({ method: 'POST', path: '/images/create', query, file: Buffer.alloc(1024) })
  }
  return `${repo}:${tag}`
}
