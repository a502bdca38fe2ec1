import { createReadStream, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../failure.js'
import { note, type World } from '../world.js'
import type { Administrator } from './administrator.js'
import { engineRequest, textOf } from './docker-engine.js'
import { makeImageTar } from './make-image-tar.js'
import type { LocalEnvironment } from './settings.js'

// What a run is in when it names no image. From a registry where one answers; else a small Debian that is made here, kept
// as a tar in the cache, and imported into the Docker Engine.

const fromRegistry = 'python:3.12-slim-bookworm'
/** Under `localhost/`, so that an engine which lost it never takes a stranger's image of that name from a registry. */
const madeHere = { repository: 'localhost/spell-default', tag: 'bookworm-2' } as const
/** The image that is made here. */
export const madeHereName = `${madeHere.repository}:${madeHere.tag}`
/** How long the engine may take to ask its registry, in milliseconds. */
const registryPatienceMs = 5_000
const settingName = 'default-image'

/** Sees to it that a cluster of the Docker runtime has a default image; says so where it can't. */
export async function giveDefaultImage(
  world: World,
  administrator: Administrator,
  environment: LocalEnvironment,
): Promise<void> {
  const settings = (await administrator.cluster()).settings
  const chosen = settings[settingName]
  if (chosen && chosen !== madeHereName) return
  if (await engineHas(environment.dockerSocket, madeHereName)) {
    if (!chosen) await administrator.set(settingName, madeHereName)
    return
  }
  if (!chosen && (await registryAnswers(environment.dockerSocket))) {
    await administrator.set(settingName, fromRegistry)
    note(world, `Runs without --from are in ${fromRegistry}.`)
    return
  }
  const tar = tarFile(environment)
  if (!existsSync(tar) && process.getuid?.() !== 0) {
    note(
      world,
      'Warning: the cluster has no default image, and no registry answers. "spell cluster make-image" makes one (it needs root), or name one with "spell cluster set default-image IMAGE".',
    )
    return
  }
  await makeDefaultImage(world, environment)
  await administrator.set(settingName, madeHereName)
}

/** Makes the image and imports it, unless it is there or a registry answers. Uses sudo where this user is not root. */
export async function makeImageIfNeeded(world: World, environment: LocalEnvironment): Promise<void> {
  if (await engineHas(environment.dockerSocket, madeHereName)) return
  if (await registryAnswers(environment.dockerSocket)) {
    note(world, `No image has to be made: a registry answers, and has ${fromRegistry}.`)
    return
  }
  await makeDefaultImage(world, environment)
}

async function makeDefaultImage(world: World, environment: LocalEnvironment): Promise<void> {
  const tar = tarFile(environment)
  if (!existsSync(tar)) {
    note(
      world,
      `No registry answers: making the default image with debootstrap (about half a minute, kept as ${tar}).`,
    )
    await makeImageTar(tar, environment)
  }
  note(world, `Importing ${tar} as ${madeHereName}.`)
  await importTar(environment.dockerSocket, tar)
}

async function engineHas(socket: string, image: string): Promise<boolean> {
  const response = await engineRequest(socket, { path: `/images/${image}/json` })
  await textOf(response)
  return response.statusCode === 200
}

async function importTar(socket: string, tar: string): Promise<void> {
  const query = new URLSearchParams({ fromSrc: '-', repo: madeHere.repository, tag: madeHere.tag })
  const headers = { 'content-type': 'application/x-tar', 'content-length': statSync(tar).size }
  const path = `/images/create?${query}`
  const response = await engineRequest(socket, { method: 'POST', path, headers }, createReadStream(tar))
  const said = await textOf(response)
  const trouble = /"error"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(said)?.[1]
  if (response.statusCode !== 200 || trouble !== undefined)
    throw new Failure('error', `Docker could not import ${tar}: ${trouble ?? said.trim()}`)
}

/** The engine is asked, since it is the one that will pull, with its own mirrors and proxies. */
async function registryAnswers(socket: string): Promise<boolean> {
  try {
    const response = await engineRequest(socket, {
      path: `/distribution/${fromRegistry}/json`,
      signal: AbortSignal.timeout(registryPatienceMs),
    })
    await textOf(response)
    return response.statusCode === 200
  } catch {
    return false
  }
}

function tarFile(environment: LocalEnvironment): string {
  return join(environment.cacheFolder, `default-image-${madeHere.tag}.tar`)
}
