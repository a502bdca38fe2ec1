import { readFile } from 'node:fs/promises'
import { CertificateKeeper } from '../common/certificate-keeper.js'
import type { Clock } from '../common/clock.js'
import { messageOf, RpcError } from '../common/errors.js'
import type { Failpoints } from '../common/failpoint.js'
import type { Log } from '../common/log.js'
import type { Random } from '../common/random.js'
import { askToRenew } from '../proto/ask-to-renew.js'
import { Channel } from '../proto/channel.js'
import type { AgentHello } from '../proto/model/link.js'
import { linkVersion } from '../proto/model/versions.js'
import { Attempts } from './attempts/attempts.js'
import { Cleaner } from './attempts/cleaner.js'
import { FolderPool } from './attempts/folder-pool.js'
import { sweep } from './attempts/sweep.js'
import type { BootClock } from './boot-clock.js'
import { CodeCache } from './code/code-cache.js'
import type { DataFolder } from './data-folder.js'
import { baseEnvironment } from './environment.js'
import { Fence } from './fence.js'
import { type FoundGpus, type InventoryParts, InventoryWatch } from './inventory.js'
import { Journal, journalDefaults } from './journal/journal.js'
import { KnownAddresses } from './known-addresses.js'
import { LeaderBytes } from './leader-bytes.js'
import { Addresses } from './link/addresses.js'
import { Heartbeats } from './link/heartbeats.js'
import { Link } from './link/link.js'
import { Outbox } from './link/outbox.js'
import { Sender } from './link/sender.js'
import { LogShipper } from './logs/log-shipper.js'
import { nodeIdOf } from './node-id.js'
import { isUnavailable, retry } from './retry.js'
import type { Runtime } from './runtimes/runtime.js'
import { type NodeSettings, readIdentity } from './settings.js'
import type { StepParts } from './steps/step-parts.js'
import { makeSteps } from './steps/steps.js'

export const agentVersion = '0.1.0'

export interface AgentParts {
  readonly settings: NodeSettings
  readonly folder: DataFolder
  readonly runtime: Runtime
  readonly findGpus: (signal: AbortSignal, held: ReadonlySet<string>) => Promise<FoundGpus>
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
  const { settings, folder, runtime, log } = parts
  const stopping = new AbortController()
  const inBackground = (promise: Promise<unknown>) => {
    promise.catch((error: unknown) => {
      if (!stopping.signal.aborted) log.error('Something failed that nobody waited for', { error })
    })
  }
  const journal = await openJournal(parts, stopping)
  const upwards = makeUpwards(parts)
  const attempts = makeAttempts(parts, { journal, upwards, inBackground })
  upwards.shipper.onSafe((id) => attempts.logIsSafe(id))
  const inventory = makeInventory(parts, {
    heldGpus: () => attempts.heldGpus(),
    onChange: (found) => upwards.sender.inventory(found),
  })
  attempts.restore()
  await whenTheRuntimeAnswers(() => inventory.start(), parts, stopping.signal)
  const sweeping = () => sweep(folder.attempts, attempts, { runtime, log })
  inBackground(whenTheRuntimeAnswers(sweeping, parts, stopping.signal))
  await upwards.addresses.load()
  const certificate = await keepCertificate(parts, upwards.userAddresses)
  const hello = await makeHello(parts, { journal, attempts, inventory })
  const link = new Link(settings, {
    ...parts,
    ...upwards,
    attempts,
    hello,
    open: (address) =>
      new Channel({ addresses: [address], tls: readIdentity(settings.tls), clock: parts.clock }),
    onLeader(channel, message, signal) {
      for (const warning of message.warnings) log.warn('The leader says of this node', { warning })
      inBackground(journal.setGeneration(message.generation))
      inBackground(upwards.userAddresses.heard(message.userAddresses))
      upwards.bytes.use(channel, signal)
      inBackground(upwards.shipper.run(channel, signal))
    },
  })
  const fence = new Fence({
    ...parts,
    heardAtMs: () => upwards.heartbeats.heardAtMs,
    attempts: () => attempts.all(),
    onWish: inBackground,
  })
  fence.start()
  const ended = link.run(stopping.signal).then(async () => {
    fence.stop()
    await certificate.stop()
    inventory.stop()
    attempts.leave()
    await upwards.shipper.close()
    upwards.heartbeats.close()
    await journal.close()
    parts.log.info('The journal is closed', { syncs: journal.syncs })
    folder.release()
    if (stopping.signal.reason instanceof RpcError) throw stopping.signal.reason
  })
  return { ended, stop: () => stopping.abort() }
}

/** An expired certificate is renewed before it returns, where somebody can be asked: no link can be had with one. */
async function keepCertificate(parts: AgentParts, addresses: KnownAddresses): Promise<CertificateKeeper> {
  const { settings, clock } = parts
  const { afterMs, lookEveryMs } = settings.renewal
  await addresses.load()
  const keeper = new CertificateKeeper(
    { files: settings.tls, renewAfterMs: afterMs, lookEveryMs },
    {
      ...parts,
      renew: (pair, signal) =>
        askToRenew(addresses.all(), pair, { ca: readIdentity(settings.tls).ca, clock, signal }),
    },
  )
  await keeper.start()
  return keeper
}

/** An engine that is away may come back; what runs below it goes on meanwhile. */
function whenTheRuntimeAnswers(
  action: () => Promise<void>,
  parts: AgentParts,
  signal: AbortSignal,
): Promise<void> {
  const options = {
    backoff: { firstMs: 200, maxMs: 5_000 },
    giveUpAfterMs: Number.POSITIVE_INFINITY,
    signal,
    worthwhile: isUnavailable,
    onWait: (error: unknown) => parts.log.warn('Waiting for the runtime', { reason: messageOf(error) }),
  }
  return retry(action, options, parts)
}

/** Should it fail, nothing can be promised any more: the agent ends, with the reason, to be started anew. */
function openJournal(parts: AgentParts, stopping: AbortController): Promise<Journal> {
  const { segmentBytes, spareSegments, gapMs } = parts.settings.journal
  const settings = {
    ...journalDefaults,
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
    ...(spareSegments === undefined ? {} : { spareSegments }),
    ...(gapMs === undefined ? {} : { gapMs }),
    folder: parts.folder.journal,
  }
  return Journal.open(settings, { ...parts, onFailure: (error) => stopping.abort(error) })
}

/** Everything that brings something to the leader. */
interface Upwards {
  readonly outbox: Outbox
  readonly sender: Sender
  readonly shipper: LogShipper
  readonly bytes: LeaderBytes
  readonly heartbeats: Heartbeats
  readonly addresses: Addresses
  readonly userAddresses: KnownAddresses
}

function makeUpwards({ settings, folder, boot, failpoints, log, clock, random }: AgentParts): Upwards {
  const outbox = new Outbox()
  return {
    outbox,
    sender: new Sender(outbox, failpoints, log),
    shipper: new LogShipper({ clock, random, log }),
    bytes: new LeaderBytes(),
    heartbeats: new Heartbeats(boot, folder.heard),
    addresses: new Addresses(new KnownAddresses(settings.coordinators, folder.coordinators, log)),
    userAddresses: new KnownAddresses(settings.userAddresses, folder.userAddresses, log),
  }
}

function makeAttempts(
  parts: AgentParts,
  made: {
    readonly journal: Journal
    readonly upwards: Upwards
    readonly inBackground: StepParts['inBackground']
  },
): Attempts {
  const { settings, folder, runtime, log } = parts
  const { outbox, sender, shipper, bytes } = made.upwards
  const codeCache = new CodeCache({
    folder: folder.code,
    maxBytes: settings.codeCacheBytes,
    maxCount: settings.codeCacheCount,
  })
  const stepParts: StepParts = {
    ...parts,
    settings: { ...settings, baseEnvironment: baseEnvironment(runtime.name) },
    folders: new FolderPool(folder.attempts),
    ...{ bytes, codeCache, logs: shipper, inBackground: made.inBackground },
  }
  return new Attempts(
    { attemptsFolder: folder.attempts, maxAttempts: settings.maxAttempts },
    {
      ...stepParts,
      ...{
        journal: made.journal,
        outbox,
        shipper,
        cleaner: new Cleaner({ log, runtime }),
        steps: makeSteps(stepParts),
      },
      onReport: () => sender.wake(),
      onLine: (line) => sender.line(line),
      onForgotten: (id) => sender.forgotten(id),
    },
  )
}

function makeInventory(
  parts: AgentParts,
  made: Pick<InventoryParts, 'heldGpus' | 'onChange'>,
): InventoryWatch {
  const { dataDir, cpus, memoryBytes, inventoryEveryMs: everyMs } = parts.settings
  const keptFile = parts.folder.inventory
  return new InventoryWatch({ dataDir, cpus, memoryBytes, everyMs, keptFile }, { ...parts, ...made })
}

async function makeHello(
  { settings, boot }: AgentParts,
  made: { readonly journal: Journal; readonly attempts: Attempts; readonly inventory: InventoryWatch },
): Promise<() => AgentHello> {
  const machineId = (await readFile('/etc/machine-id', 'utf8').catch(() => '')).trim()
  const { journal, attempts, inventory } = made
  return () => ({
    schemaVersion: linkVersion + settings.versionsAhead,
    version: agentVersion,
    nodeId: nodeIdOf(readIdentity(settings.tls).certificate),
    name: settings.name,
    machineId,
    bootId: boot.bootId,
    inventory: inventory.current,
    attempts: attempts.heldForHello(),
    highestRunId: journal.node.highestRunId,
    generation: journal.node.generation,
  })
}
