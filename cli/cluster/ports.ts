import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Random } from '../../common/random.js'

// Below the range that Linux takes for outgoing connections (32768 and up): a port that a cluster remembers must not be
// some connection's own a week later.
const lowest = 20_000
const highest = 32_000
const tries = 1_000

export const loopback = '127.0.0.1'

export interface ChosenPorts {
  readonly ports: Readonly<Record<string, number>>
  /** Names of listeners whose remembered port somebody else has now. */
  readonly moved: readonly string[]
}

/** A port for each name: the remembered one where it is free (or ours already), else a free one. */
export async function choosePorts(
  names: readonly string[],
  remembered: Readonly<Record<string, number>>,
  ours: ReadonlySet<string>,
  random: Random,
): Promise<ChosenPorts> {
  const ports: Record<string, number> = {}
  const moved: string[] = []
  for (const name of names) {
    const before = remembered[name]
    if (before !== undefined && (ours.has(name) || (await isFree(before)))) {
      ports[name] = before
      continue
    }
    if (before !== undefined) moved.push(name)
    ports[name] = await freePort(new Set([...Object.values(remembered), ...Object.values(ports)]), random)
  }
  return { ports, moved }
}

async function freePort(taken: ReadonlySet<number>, random: Random): Promise<number> {
  for (let attempt = 0; attempt < tries; attempt++) {
    const port = lowest + Math.floor(random.next() * (highest - lowest))
    if (!taken.has(port) && (await isFree(port))) return port
  }
  throw new Error(`No free port between ${lowest} and ${highest}.`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen({ port, host: loopback, exclusive: true })
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
