import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../common/clock.js'
import { noFailpoints } from '../../../common/failpoint.js'
import { restore } from '../../../node-agent/attempts/restore.js'
import { Journal, journalDefaults } from '../../../node-agent/journal/journal.js'
import { pauseProcess, resumeProcess } from '../../fixtures/pause.js'
import { times } from './cluster.js'
import { armed, armedWords, type Fault, maybeArmed } from './fault.js'
import type { Kept } from './kept.js'
import type { Machine } from './machine.js'
import type { Scene } from './scene.js'

// What befalls the nodes, one at a time.

/** In the order in which seeds in a row begin with them. */
export const nodeFaults: Readonly<Record<string, Fault>> = {
  'lose-node': loseNode,
  'kill-agent': killAgent,
  'lose-power-after-reports': losePowerAfterReports,
  'lose-node-with-leader': loseNodeWithLeader,
  'lose-power': losePower,
  'agent-failpoint': agentFailpoint,
  suspend,
  'late-outputs': lateOutputs,
  'part-node': partNode,
  'pause-agent': pauseAgent,
  'end-agent': endAgent,
}

/** The leader looks each second; a busy machine may be late with everything. */
const lostMs = times.lostAfterMs + 2_500
/** For what must come to its end by itself and goes on for good where it does not. */
const patienceMs = 20_000
const reportMs = 5_000
/** From the end of a command until its outputs are sent; an agent counts its link as broken soon after. */
const onTheWayMs = 1_100
const arrivalMs = 500

async function loseNode(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const { machine } = await scene.busiest()
  const { links } = scene.cluster
  const keys = scene.replaceableOn(machine)
  const how = chance.oneOf(['cut', 'stall'] as const)
  for (const to of ['c1', 'c2']) links[how](machine.name, to)
  await scene.sleep(lostMs)
  await scene.mustHaveEnded(machine, keys, patienceMs)
  await scene.noteStale(keys)
  for (const to of ['c1', 'c2']) links.heal(machine.name, to)
  return `${machine.name} ${how} off for ${lostMs} ms with ${keys.length} replaceable`
}

/** The leader that the node still reaches has lost its lease, and the one that leads does not hear the node. */
async function loseNodeWithLeader(...[scene]: Parameters<Fault>): Promise<string> {
  const { machine } = await scene.busiest()
  const { links } = scene.cluster
  const leader = await scene.leader()
  const other = scene.other(leader)
  const keys = scene.replaceableOn(machine)
  links.cut(machine.name, other.name)
  links.cut(leader.name, 'etcd')
  await scene.untilLedElsewhere(leader, 8_000)
  await scene.sleep(lostMs)
  await scene.mustHaveEnded(machine, keys, patienceMs)
  await scene.noteStale(keys)
  links.heal(machine.name, other.name)
  links.heal(leader.name, 'etcd')
  return `${machine.name} alone with ${leader.name}, which is cut off from etcd; ${keys.length} replaceable`
}

async function partNode(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const { machine } = await scene.busiest()
  const [how, ms] = [chance.oneOf(['cut', 'stall'] as const), chance.between(300, 2_000)]
  for (const to of ['c1', 'c2']) scene.cluster.links[how](machine.name, to)
  await scene.sleep(ms)
  for (const to of ['c1', 'c2']) scene.cluster.links.heal(machine.name, to)
  return `${machine.name} ${how} off for ${ms} ms`
}

async function killAgent(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const { kept } = await scene.busiest()
  const [ms, failpoint] = [chance.between(0, 1_000), maybeArmed(chance, 'agent')]
  await kept.down('SIGKILL', () => scene.sleep(ms), failpoint)
  return `agent ${kept.name} killed for ${ms} ms${armedWords(failpoint)}`
}

async function endAgent(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const { kept } = await scene.busiest()
  const ms = chance.between(0, 1_000)
  await kept.down('SIGTERM', () => scene.sleep(ms))
  return `agent ${kept.name} ended for ${ms} ms`
}

async function pauseAgent(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const { kept } = await scene.busiest()
  const ms = chance.between(300, 3_000)
  await kept.pause()
  await scene.sleep(ms)
  await kept.resume()
  return `agent ${kept.name} paused for ${ms} ms`
}

async function agentFailpoint(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const kept = scene.cluster.agents[chance.between(0, 2)] ?? (await scene.busiest()).kept
  const failpoint = armed(chance, 'agent')
  const reached = await kept.untilPoint(failpoint, 3_000, async () => {})
  return `agent ${kept.name} ${reached ? 'killed' : 'not met'} at ${failpoint.name} (${failpoint.nth}.)`
}

async function losePower(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const { machine, kept } = await scene.busiest()
  let lost = 0
  const ms = chance.between(0, 800)
  await kept.down('SIGKILL', async () => {
    lost = await cutPower(scene, machine)
    await scene.sleep(ms)
  })
  return `${machine.name} without power for ${ms} ms, ${lost} ran`
}

/** All disks are slow; whose report the leader is the first to take in loses power in that moment. */
async function losePowerAfterReports(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const { machines, agents } = scene.cluster
  const ms = chance.between(200, 600)
  try {
    for (const machine of machines) machine.slowDisk(ms)
    const name = await scene.within(reportMs, scene.nextReport())
    const index = machines.findIndex((machine) => machine.name === name)
    const [machine, kept] = [machines[index], agents[index]]
    if (!machine || !kept) return `disks slow by ${ms} ms, and no report`
    let lost = 0
    await kept.down('SIGKILL', async () => {
      lost = await cutPower(scene, machine)
    })
    return `${machine.name} without power at a report, its disk slow by ${ms} ms, ${lost} ran`
  } finally {
    for (const machine of machines) machine.slowDisk(0)
  }
}

async function suspend(...[scene]: Parameters<Fault>): Promise<string> {
  const { machine, kept } = await scene.busiest()
  const keys = scene.replaceableOn(machine)
  await kept.pause()
  const pids = [...machine.processes().values()].flat()
  for (const pid of pids) await pauseProcess(pid).catch(ignoreEnded)
  await scene.sleep(lostMs)
  machine.addSuspend(60_000)
  await scene.noteStale(keys)
  for (const pid of pids) tryToResume(pid)
  await kept.resume()
  await scene.mustHaveEnded(machine, keys, patienceMs)
  return `${machine.name} suspended for ${lostMs} ms with ${pids.length} processes, ${keys.length} replaceable`
}

/** What a run has made reaches the leader when the run has been repeated. */
async function lateOutputs(...[scene, chance]: Parameters<Fault>): Promise<string> {
  const { machine, kept } = await scene.busiest()
  const [key] = scene.lastingOn(machine)
  if (key === undefined) return `nothing lasts on ${machine.name}`
  return chance.happens(0.3)
    ? await sleepBeforeSaving(scene, machine, kept, key)
    : await saveThroughSlowNetwork(scene, machine, key)
}

/** Its agent sleeps over the limits before it can save, and saves then. */
async function sleepBeforeSaving(scene: Scene, machine: Machine, kept: Kept, key: string): Promise<string> {
  await kept.pause()
  const ended = await scene.letEnd(key, patienceMs)
  await scene.sleep(lostMs)
  await scene.noteStale([key])
  await kept.resume()
  return `agent ${machine.name} paused for ${lostMs} ms ${ended ? 'at' : 'before'} the end of ${key}`
}

/** All that it sends at the end arrives much later; its later words are not even sent. */
async function saveThroughSlowNetwork(scene: Scene, machine: Machine, key: string): Promise<string> {
  const { links } = scene.cluster
  const leader = await scene.leader()
  let release = () => {}
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  const ended = await scene.letEnd(key, patienceMs)
  const trap = links.agents[leader.name]?.set({ from: machine.name, fate: { kind: 'hold', until } })
  try {
    await scene.sleep(onTheWayMs)
    for (const to of ['c1', 'c2']) links.stall(machine.name, to)
    await scene.sleep(lostMs)
    await scene.noteStale([key])
    release()
    await scene.sleep(arrivalMs)
    for (const to of ['c1', 'c2']) links.heal(machine.name, to)
  } finally {
    trap?.cancel()
    release()
  }
  return `what ${machine.name} sent ${ended ? 'at' : 'before'} the end of ${key} arrives ${lostMs} ms late`
}

/** Resolves with how many attempts ran. */
async function cutPower(scene: Scene, machine: Machine): Promise<number> {
  const { ended } = scene.ledger.read()
  const running = [...machine.processes().keys()].filter((key) => !ended.has(key))
  scene.rebooted.add(machine.name)
  await machine.cutPower()
  // Some may have come to their end between the look and the cut.
  const { ended: since } = scene.ledger.read()
  for (const key of running) if (!since.has(key)) scene.powerless.add(key)
  await compareReports(scene, machine)
  return running.length
}

/** Whatever the leader has taken in of a node, that node must know itself, whatever became of it. */
async function compareReports(scene: Scene, machine: Machine): Promise<void> {
  const applied = await scene.appliedOn(machine)
  const folder = mkdtempSync(join(scene.cluster.folder, 'journal-'))
  cpSync(join(machine.dataDir, 'journal'), folder, { recursive: true })
  const journal = await Journal.open(
    { ...journalDefaults, segmentBytes: 1 << 16, folder },
    { clock: systemClock, failpoints: noFailpoints, onFailure: () => undefined },
  )
  for (const [key, number] of applied) {
    const entries = journal.attempts.get(key)
    const known = entries ? (restore(entries).reports.at(-1)?.report.number ?? 0) : undefined
    if (known !== undefined && known < number)
      scene.faults.push(`${machine.name} lost report ${number} of ${key}, which the leader has taken in`)
  }
  await journal.close()
  rmSync(folder, { recursive: true })
}

function tryToResume(pid: number): void {
  try {
    resumeProcess(pid)
  } catch (error) {
    ignoreEnded(error)
  }
}

function ignoreEnded(error: unknown): void {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ESRCH' && code !== 'ENOENT') throw error
}
