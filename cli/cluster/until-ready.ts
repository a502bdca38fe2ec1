import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { RpcError } from '../../common/errors.js'
import { Failure } from '../failure.js'
import { announceSlow } from '../output/announce-slow.js'
import type { World } from '../world.js'
import { Administrator } from './administrator.js'
import type { Layout } from './layout.js'
import { nodeNames } from './listeners.js'
import { lockHolder } from './lock.js'
import type { ClusterPlan } from './plan-file.js'
import { readProgress } from './progress-file.js'

const patienceMs = 90_000
const pauseMs = 100
/** A process that ended so often before the cluster was up will not get better by itself. */
const restartsAllowed = 4
const tailBytes = 2_000

/** Returns when there is a leader and every node has said hello to it. Throws Failure saying what keeps it from that. */
export async function untilReady(world: World, layout: Layout, plan: ClusterPlan): Promise<void> {
  const { clock } = world
  const giveUpAt = clock.monotonic() + patienceMs
  const restartsBefore = new Map(readProgress(layout).processes.map((one) => [one.name, one.restarts]))
  const slow = announceSlow(world, `Bringing up ${layout.dir}`)
  let administrator: Administrator | undefined
  try {
    for (;;) {
      const missing = await lookWhatIsMissing(
        () => (administrator ??= new Administrator(layout, plan, clock)),
        plan,
      )
      if (missing === undefined) return
      refuseIfEnding(layout, restartsBefore)
      if (clock.monotonic() > giveUpAt)
        throw new Failure(
          'error',
          `The cluster did not come up within ${patienceMs / 1000} s: ${missing}. Its logs are in ${layout.logFolder}.`,
        )
      slow.why(missing)
      await clock.sleep(pauseMs)
    }
  } finally {
    slow.end()
    administrator?.close()
  }
}

/** Undefined: nothing. */
async function lookWhatIsMissing(
  connect: () => Administrator,
  plan: ClusterPlan,
): Promise<string | undefined> {
  try {
    const nodes = await connect().nodes()
    const connected = new Set(nodes.filter((node) => node.connected).map((node) => node.name))
    const missing = nodeNames(plan).filter((name) => !connected.has(name))
    return missing.length === 0 ? undefined : `waiting for ${missing.join(', ')}`
  } catch (error) {
    // A connection that is refused, or a token that is not written yet: what a start looks like from outside.
    if (!(error instanceof RpcError) || error.code === 'UNAVAILABLE') return 'waiting for a coordinator'
    return error.message
  }
}

function refuseIfEnding(layout: Layout, before: ReadonlyMap<string, number>): void {
  if (lockHolder(layout) === undefined) {
    const logFile = layout.logFile('supervisor')
    throw new Failure(
      'error',
      `The cluster's supervisor ended. Its log, ${logFile}, ends with:\n${tail(logFile)}`,
    )
  }
  for (const { name, restarts, logFile } of readProgress(layout).processes) {
    if (restarts - (before.get(name) ?? 0) < restartsAllowed) continue
    throw new Failure(
      'error',
      `${name} ends again and again. Its log, ${logFile}, ends with:\n${tail(logFile)}`,
    )
  }
}

function tail(file: string): string {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0) return '(nothing)'
  const bytes = Buffer.alloc(Math.min(size, tailBytes))
  const descriptor = openSync(file, 'r')
  try {
    readSync(descriptor, bytes, 0, bytes.length, size - bytes.length)
  } finally {
    closeSync(descriptor)
  }
  return bytes.toString('utf8').trimEnd()
}
