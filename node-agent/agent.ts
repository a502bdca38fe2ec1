import { readFile } from 'node:fs/promises'
import type { Clock } from '../common/clock.js'
import type { Failpoints } from '../common/failpoint.js'
import type { Log } from '../common/log.js'
import type { Random } from '../common/random.js'
import { Channel } from '../proto/channel.js'
import type { AgentHello } from '../proto/model/link.js'
import { Attempts } from './attempts/attempts.js'
import { Cleaner } from './attempts/cleaner.js'
import { sweep } from './attempts/sweep.js'
import type { BootClock } from './boot-clock.js'
import { CodeCache } from './code/code-cache.js'
import type { DataFolder } from './data-folder.js'
import { baseEnvironment } from './environment.js'
import { Fence } from './fence.js'
import { type FoundGpus, InventoryWatch } from './inventory.js'
import { Journal, journalDefaults } from './journal/journal.js'
import { LeaderBytes } from './leader-bytes.js'
import { Addresses } from './link/addresses.js'
import { Heartbeats } from './link/heartbeats.js'
import { Link } from './link/link.js'
import { Outbox } from './link/outbox.js'
import { Sender } from './link/sender.js'
import { LogShipper } from './logs/log-shipper.js'
import { nodeIdOf } from './node-id.js'
import type { Runtime } from './runtimes/runtime.js'
import { type NodeSettings, readIdentity } from './settings.js'
import type { StepParts } from './steps/step-parts.js'
import { makeSteps } from './steps/steps.js'

/** The protocol of the link that this agent speaks. */
export const linkSchemaVersion = 1
export const agentVersion = '0.1.0'

export interface AgentParts {
  readonly settings: NodeSettings
  readonly folder: DataFolder
  readonly runtime: Runtime
  readonly findGpus: (signal: AbortSignal) => Promise<FoundGpus>
  readonly clock: Clock
  readonly boot: BootClock
  readonly random: Random
  readonly failpoints: Failpoints
  readonly log: Log
}

export interface Agent {
  /** Resolves when the agent has let go of everything; rejects when its journal can't be written any more. */
  readonly ended: Promise<void>
  /** Lets go of everything and leaves every run as it is. Safe to call twice. */
  stop(): void
}

/** Takes up what the journal has, and opens the link. */
export async function startAgent(parts: AgentParts): Promise<Agent> {
  const { settings, folder, runtime, clock, boot, random, failpoints, log } = parts
  const stopping = new AbortController()
  let journalFailure: unknown
  const journal = await Journal.open(
    { ...journalDefaults, ...withoutUndefined(settings.journal), folder: folder.journal },
    {
      clock,
      failpoints,
      onFailure(error) {
        journalFailure = error
        stopping.abort()
      },
    },
  )
  const inBackground = (promise: Promise<unknown>) => {
    promise.catch((error: unknown) => {
      if (!stopping.signal.aborted) log.error('Something failed that nobody waited for', { error })
    })
  }
  const outbox = new Outbox()
  const sender = new Sender(outbox, failpoints, log)
  const shipper = new LogShipper({ clock, random, log, onSafe: (id) => attempts.logIsSafe(id) })
  const bytes = new LeaderBytes()
  const heartbeats = new Heartbeats(boot, folder.heard)
  const codeCache = new CodeCache({
    folder: folder.code,
    maxBytes: settings.codeCacheBytes,
    maxCount: settings.codeCacheCount,
  })
  const stepParts: StepParts = {
    settings: { ...settings, baseEnvironment: baseEnvironment(runtime.name) },
    ...{ runtime, clock, boot, random, log, failpoints, bytes, codeCache, inBackground },
    logs: shipper,
  }
  const cleaner = new Cleaner(log)
  const attempts: Attempts = new Attempts(
    { attemptsFolder: folder.attempts, maxAttempts: settings.maxAttempts },
    {
      ...stepParts,
      ...{ journal, outbox, shipper, cleaner },
      steps: makeSteps(stepParts),
      onReport: () => sender.wake(),
      onLine: (line) => sender.line(line),
      onForgotten: (id) => sender.forgotten(id),
    },
  )
  const inventory = new InventoryWatch(
    {
      dataDir: settings.dataDir,
      cpus: settings.cpus,
      memoryBytes: settings.memoryBytes,
      everyMs: settings.inventoryEveryMs,
    },
    { runtime, findGpus: parts.findGpus, clock, log, onChange: (found) => sender.inventory(found) },
  )
  attempts.restore()
  await inventory.start()
  inBackground(sweep(folder.attempts, attempts, { runtime, log }))

  const addresses = new Addresses(settings.coordinators, folder.coordinators, log)
  await addresses.load()
  const machineId = await readFile('/etc/machine-id', 'utf8').catch(() => '')
  const hello = (): AgentHello => ({
    schemaVersion: linkSchemaVersion,
    version: agentVersion,
    nodeId: nodeIdOf(readIdentity(settings.tls).certificate),
    name: settings.name,
    machineId: machineId.trim(),
    bootId: boot.bootId,
    inventory: inventory.current,
    attempts: attempts.heldForHello(),
    highestRunId: journal.node.highestRunId,
    generation: journal.node.generation,
  })
  const link = new Link(
    {
      helloTimeoutMs: settings.helloTimeoutMs,
      heartbeatIntervalMs: settings.heartbeatIntervalMs,
      missedHeartbeats: settings.missedHeartbeats,
    },
    {
      ...{ clock, boot, random, log, failpoints, addresses, heartbeats, outbox, sender, attempts, hello },
      open: (address) => new Channel({ addresses: [address], tls: readIdentity(settings.tls), clock }),
      onLeader(channel, message, signal) {
        inBackground(journal.setGeneration(message.generation))
        bytes.use(channel, signal)
        inBackground(shipper.run(channel, signal))
      },
    },
  )
  const fence = new Fence({
    clock,
    boot,
    heardAtMs: () => heartbeats.heardAtMs,
    attempts: () => attempts.all(),
    onWish: inBackground,
  })
  fence.start()
  const ended = link.run(stopping.signal).then(async () => {
    fence.stop()
    inventory.stop()
    attempts.leave()
    await shipper.close()
    await journal.close()
    folder.release()
    if (journalFailure !== undefined) throw journalFailure
  })
  return { ended, stop: () => stopping.abort() }
}

function withoutUndefined<T extends object>(value: T): { [Name in keyof T]: Exclude<T[Name], undefined> } {
  const given = Object.entries(value).filter(([, one]) => one !== undefined)
  return Object.fromEntries(given) as { [Name in keyof T]: Exclude<T[Name], undefined> }
}
