import { existsSync } from 'node:fs'
import { messageOf } from '../../common/errors.js'
import { Failure } from '../failure.js'
import { announceSlow } from '../output/announce-slow.js'
import { confirm } from '../output/ask.js'
import { note, type World } from '../world.js'
import { Administrator } from './administrator.js'
import { endCluster } from './end-cluster.js'
import { layoutOf } from './layout.js'
import { lockHolder, releaseLock } from './lock.js'
import { type ClusterPlan, readPlan } from './plan-file.js'
import { processesWith } from './process-table.js'

const endingPatienceMs = 60_000
const pauseMs = 100
const namedAtMost = 20

/** Ends the runs, after asking, and then everything that `up` started. The folder stays: the next `up` goes on with it. */
export async function takeDown(world: World, dir: string, agreed: 'yes' | 'ask'): Promise<ClusterPlan> {
  const layout = layoutOf(dir)
  const plan = readPlan(layout)
  if (!plan || !existsSync(layout.adminTokenFile))
    throw new Failure('error', `There is no cluster in ${dir}.`)
  const somethingRuns =
    lockHolder(layout) !== undefined || processesWith(`--data-dir=${layout.etcdFolder}`).length > 0
  if (somethingRuns) {
    const administrator = new Administrator(layout, plan, world.clock)
    try {
      await endRuns(world, administrator, plan, agreed)
    } finally {
      administrator.close()
    }
  }
  await endCluster(layout, world.clock)
  releaseLock(layout)
  note(
    world,
    `${plan.name} is down. "spell cluster up --dir ${dir}" brings it up again, with its runs and their ids.`,
  )
  return plan
}

async function endRuns(world: World, administrator: Administrator, plan: ClusterPlan, agreed: 'yes' | 'ask') {
  let ids: readonly number[]
  try {
    ids = await administrator.activeRuns()
  } catch (error) {
    note(world, `Which runs are active can't be found out: ${messageOf(error)}`)
    await agree(world, 'Runs that are active will go on without their cluster until it is up again.', agreed)
    return
  }
  if (ids.length === 0) return
  await agree(
    world,
    `This kills ${ids.length === 1 ? 'a run that has' : `${ids.length} runs that have`} not finished, and saves nothing of ${ids.length === 1 ? 'it' : 'them'}: ${named(ids)}.`,
    agreed,
  )
  await administrator.kill(ids)
  const slow = announceSlow(world, `Ending the runs of ${plan.name}`)
  const giveUpAt = world.clock.monotonic() + endingPatienceMs
  for (let left = ids; left.length > 0; left = await administrator.activeRuns()) {
    if (world.clock.monotonic() > giveUpAt) {
      throw new Failure(
        'error',
        `Some runs did not end within ${endingPatienceMs / 1000} s: ${named(left)}. The cluster stays up.`,
      )
    }
    await world.clock.sleep(pauseMs)
  }
  slow.end()
}

async function agree(world: World, consequence: string, agreed: 'yes' | 'ask'): Promise<void> {
  if (agreed === 'yes') {
    note(world, consequence)
    return
  }
  const yes = await confirm(world, `${consequence} Continue?`, `${consequence} Use --yes to agree to that.`)
  if (!yes) throw new Failure('error', 'Nothing was ended.')
}

function named(ids: readonly number[]): string {
  const rest = ids.length - namedAtMost
  return ids.slice(0, namedAtMost).join(' ') + (rest > 0 ? ` and ${rest} more` : '')
}
