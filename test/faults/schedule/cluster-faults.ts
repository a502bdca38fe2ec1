import { armedWords, type Fault, maybeArmed } from './fault.js'
import type { Kept } from './kept.js'
import type { Scene } from './scene.js'

// What befalls the coordinators, etcd, the store and the links between them and to users. Each waits long enough for what
// it is meant to bring about, and no longer.

/** In the order in which seeds in a row begin with them. */
export const clusterFaults: Readonly<Record<string, Fault>> = {
  'kill-leader': killLeader,
  'stale-request': staleRequest,
  'cut-users-answers': cutUsersAnswers,
  'lose-request': loseRequest,
  'race-election': raceElection,
  'late-requests': lateRequests,
  'pause-leader': pauseLeader,
  'kill-etcd': killEtcd,
  'cut-answers': cutAnswers,
  'part-leader-from-etcd': partLeaderFromEtcd,
  'kill-after-commit': killAfterCommit,
  'store-away': storeAway,
  'part-agents-from-leader': partAgentsFromLeader,
  'kill-both': killBoth,
  'pause-etcd': pauseEtcd,
  'kill-other': killOther,
  'part-users': partUsers,
  resign,
  'part-other-from-etcd': partOtherFromEtcd,
  'part-coordinators': partCoordinators,
}

const takeOverMs = 8_000
const commitText = ({ cluster }: Scene) => cluster.keys.commit

async function killLeader(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const leader = await scene.leader()
  const [ms, failpoint] = [chance.between(0, 1_500), maybeArmed(chance, 'coordinator')]
  await leader.down('SIGKILL', () => scene.sleep(ms), failpoint)
  return `${leader.name} killed for ${ms} ms${armedWords(failpoint)}`
}

async function killOther(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const other = scene.other(await scene.leader())
  const [ms, failpoint] = [chance.between(0, 800), maybeArmed(chance, 'coordinator')]
  await other.down('SIGKILL', () => scene.sleep(ms), failpoint)
  return `${other.name} killed for ${ms} ms${armedWords(failpoint)}`
}

async function killBoth(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const waits = scene.cluster.coordinators.map(() => chance.between(0, 800))
  const failpoint = maybeArmed(chance, 'coordinator')
  await Promise.all(
    scene.cluster.coordinators.map((one, index) =>
      one.down('SIGKILL', () => scene.sleep(waits[index] ?? 0), index === 0 ? failpoint : undefined),
    ),
  )
  return `both killed for ${waits.join(' and ')} ms${armedWords(failpoint)}`
}

/** Etcd may have it, and nobody can be told. */
async function killAfterCommit(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const leader = await scene.leader()
  const ms = chance.between(0, 8)
  const met = await meet(scene, leader, { kind: 'cut-answer' })
  await scene.sleep(ms)
  await leader.down('SIGKILL', () => scene.sleep(100))
  return `${leader.name} killed ${ms} ms after ${met ? 'sending a commit' : 'nothing'}`
}

/** A commit of a leader that is dead arrives when the next one has been elected. */
async function staleRequest(...[scene]: Parameters<Fault>): Promise<string> {
  const leader = await scene.leader()
  const { recorder, cluster, signal } = scene
  let release = () => {}
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  try {
    const met = await meet(scene, leader, { kind: 'hold', until })
    const elected = recorder.next(
      ({ key, value }) => key === cluster.keys.leader && value !== undefined,
      signal,
    )
    elected.then(release, () => undefined)
    await leader.down('SIGKILL', async () => {
      await scene.within(takeOverMs, until)
    })
    return `${leader.name} killed, ${met ? 'its commit arrives when another leads' : 'without a commit on its way'}`
  } finally {
    release()
  }
}

/** It never arrives: what it would have stored may not be taken for stored. */
async function loseRequest(...[scene]: Parameters<Fault>): Promise<string> {
  let lost = 0
  for (let round = 0; round < 3; round += 1)
    if (await meet(scene, await scene.leader(), { kind: 'lose' })) lost += 1
  return `${lost} commits lost on their way`
}

/** They arrive after a while, every other one when what was sent in its place has been stored. */
async function lateRequests(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const { recorder, cluster, signal } = scene
  let late = 0
  for (let round = 0; round < 5; round += 1) {
    const ms = chance.between(5, 400)
    let begin = () => {}
    const until = new Promise<void>((resolve) => {
      begin = resolve
    }).then(async () => {
      if (round % 2 === 1) return await scene.sleep(ms).catch(() => undefined)
      const stored = recorder.next(({ key }) => key === cluster.keys.commit, signal)
      await scene.within(takeOverMs, stored).catch(() => undefined)
    })
    const met = await meet(scene, await scene.leader(), { kind: 'late', until })
    begin()
    if (met) late += 1
    await scene.sleep(chance.between(0, 300))
  }
  return `${late} commits late`
}

async function cutAnswers(...[scene, chance]: Parameters<Fault>): Promise<string> {
  let cut = 0
  for (let round = 0; round < 8; round += 1) {
    if (await meet(scene, await scene.leader(), { kind: 'cut-answer' })) cut += 1
    await scene.sleep(chance.between(0, 150))
  }
  return `${cut} answers to commits cut off`
}

/** Nobody reaches etcd until nobody leads; then both stand at the same moment, and one must see that it has lost. */
async function raceElection(...[scene]: Parameters<Fault>): Promise<string> {
  const { links } = scene.cluster
  const names = scene.cluster.coordinators.map(({ name }) => name)
  const standing = '","term":'
  let release = () => {}
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  for (const name of names) links.stall(name, 'etcd')
  await scene.untilNobodyLeads(takeOverMs)
  const traps = names.map((from) => links.etcd.set({ from, text: standing, fate: { kind: 'hold', until } }))
  try {
    for (const name of names) links.heal(name, 'etcd')
    const first = await scene.within(5_000, Promise.race(traps.map(({ met }) => met)))
    // The first one's lease goes on meanwhile.
    const met = await scene.within(1_400, Promise.all(traps.map((trap) => trap.met)))
    return met ? 'both stand at once' : `${first ?? 'nobody'} stands alone`
  } finally {
    for (const trap of traps) trap.cancel()
    release()
  }
}

async function pauseLeader(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const leader = await scene.leader()
  await leader.pause()
  const led = await scene.untilLedElsewhere(leader, takeOverMs)
  await scene.sleep(chance.between(0, 600))
  await leader.resume()
  return `${leader.name} paused${led ? ' until another led' : ''}`
}

async function resign(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const leader = await scene.leader()
  const ms = chance.between(0, 500)
  await leader.down('SIGTERM', () => scene.sleep(ms))
  return `${leader.name} ended for ${ms} ms`
}

async function killEtcd(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const ms = chance.between(50, 2_500)
  await scene.cluster.etcd.kill()
  await scene.sleep(ms)
  await scene.cluster.etcd.restart()
  return `etcd killed for ${ms} ms`
}

async function pauseEtcd(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const ms = chance.between(300, 3_000)
  await scene.pauseEtcd()
  await scene.sleep(ms)
  scene.resumeEtcd()
  return `etcd paused for ${ms} ms`
}

async function partLeaderFromEtcd(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const leader = await scene.leader()
  const how = chance.oneOf(['cut', 'stall'] as const)
  scene.cluster.links[how](leader.name, 'etcd')
  const led = await scene.untilLedElsewhere(leader, takeOverMs)
  await scene.sleep(chance.between(0, 500))
  scene.cluster.links.heal(leader.name, 'etcd')
  return `${leader.name} ${how} from etcd${led ? ' until another led' : ''}`
}

async function partOtherFromEtcd(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const other = scene.other(await scene.leader())
  return await part(scene, chance, [[other.name, 'etcd']])
}

async function partCoordinators(...[scene, chance]: Parameters<Fault>): Promise<string> {
  return await part(scene, chance, [
    ['c1', 'c2'],
    ['c2', 'c1'],
  ])
}

async function partUsers(...[scene, chance]: Parameters<Fault>): Promise<string> {
  return await part(scene, chance, [['user', chance.oneOf(['c1', 'c2'] as const)]])
}

async function partAgentsFromLeader(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const { name } = await scene.leader()
  const agents = scene.cluster.agents.filter(() => chance.happens(0.7))
  return await part(
    scene,
    chance,
    agents.map((agent) => [agent.name, name] as const),
  )
}

async function part(
  scene: Scene,
  chance: Parameters<Fault>[1],
  links: readonly (readonly [string, string])[],
): Promise<string> {
  const [how, ms] = [chance.oneOf(['cut', 'stall'] as const), chance.between(300, 2_500)]
  for (const [from, to] of links) scene.cluster.links[how](from, to)
  await scene.sleep(ms)
  for (const [from, to] of links) scene.cluster.links.heal(from, to)
  return `${links.map(([from, to]) => `${from}-${to}`).join(' ')} ${how} for ${ms} ms`
}

/** Requests arrive and their answers don't. */
async function cutUsersAnswers(...[scene, chance]: Parameters<Fault>): Promise<string> {
  let cut = 0
  for (let round = 0; round < 10; round += 1) {
    const proxy = scene.cluster.links.users[chance.oneOf(['c1', 'c2'] as const)]
    const trap = proxy?.set({ from: 'user', fate: { kind: 'cut-answer' } })
    if (trap && (await scene.within(400, trap.met))) cut += 1
    trap?.cancel()
  }
  return `${cut} answers to users cut off`
}

async function storeAway(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const ms = chance.between(200, 2_000)
  scene.moveStore('away')
  await scene.sleep(ms)
  scene.moveStore('back')
  return `the store away for ${ms} ms`
}

/** Waits a little for the leader's next commit; says whether it came. */
async function meet(
  scene: Scene,
  leader: Kept,
  fate: Parameters<Scene['cluster']['links']['etcd']['set']>[0]['fate'],
): Promise<boolean> {
  const trap = scene.cluster.links.etcd.set({ from: leader.name, text: commitText(scene), fate })
  const met = await scene.within(2_500, trap.met)
  trap.cancel()
  return met !== undefined
}
