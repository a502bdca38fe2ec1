import { randomUUID } from 'node:crypto'
import type { Clock } from '../common/clock.js'
import { invariant, messageOf, RpcError } from '../common/errors.js'
import type { Failpoints } from '../common/failpoint.js'
import type { Log } from '../common/log.js'
import type { Random } from '../common/random.js'
import { aborted } from './aborted.js'
import type { AuditLog } from './audit/audit-log.js'
import { makeAuditLog } from './audit/make-audit-log.js'
import { schemaVersion } from './core/record-codec.js'
import type { DownloadServer } from './downloads/download-server.js'
import { downloadServerOf, listenForDownloads } from './downloads/from-settings.js'
import { Endpoints } from './endpoints.js'
import { etcdOf } from './etcd-of.js'
import { gaugesOf } from './gauges.js'
import { makeStores, type Stores } from './home/stores.js'
import { joinFactsOf } from './join-facts.js'
import { keepingParts } from './keeping-parts.js'
import type { Trust } from './leader/authority.js'
import { withPort } from './listen-address.js'
import { type Member, Members } from './members.js'
import { meteredLogs, reportFailures } from './metered.js'
import { Metrics } from './metrics.js'
import { MetricsServer } from './metrics-server.js'
import { OwnCertificates } from './own-certificates.js'
import type { ClusterFacts } from './rpc/cluster-handlers.js'
import { type Leading, noLeader } from './rpc/leading.js'
import type { Rule } from './rpc/rule.js'
import { RunLines } from './rpc/run-lines.js'
import { statusName } from './rpc/status.js'
import type { CoordinatorSettings } from './settings.js'
import { Election } from './store/election.js'
import type { EtcdClient } from './store/etcd-client.js'
import { type Keys, makeKeys } from './store/keys.js'
import { LeaderWatch } from './store/leader-watch.js'
import type { Leadership } from './store/leadership.js'
import { type RunningTerm, startTerm } from './term.js'
import { readTls } from './tls-files.js'
import { readTrust } from './trust.js'
import { version } from './version.js'

export interface CoordinatorParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly failpoints: Failpoints
  /** What submissions are refused by name for. */
  readonly notYet: readonly Rule[]
}

const leaderPollMs = 1_000
/** Between two attempts to begin a term that failed for another reason than another leader. */
const failedTermMs = 1_000
const closeGraceMs = 2_000

/** One coordinator: answers and forwards from its start to its end, and leads whenever it has won. */
export class Coordinator {
  readonly #settings: CoordinatorSettings
  readonly #parts: CoordinatorParts
  readonly #etcd: EtcdClient
  readonly #keys: Keys
  readonly #trust: Trust
  readonly #watch: LeaderWatch
  readonly #stores: Stores
  readonly #lines = new RunLines()
  readonly #metrics: Metrics
  readonly #audit: AuditLog
  readonly #metricsServer: MetricsServer
  readonly #endpoints: Endpoints
  readonly #downloads: DownloadServer | undefined
  readonly #certificates: OwnCertificates
  readonly #stopping = new AbortController()
  #members: Members | undefined
  #term: RunningTerm | undefined
  /** Why this coordinator's last term could not begin, where somebody has to do something about it. */
  #unfit: RpcError | undefined
  #campaigning: Promise<void> | undefined

  constructor(settings: CoordinatorSettings, parts: CoordinatorParts) {
    const { clock, log } = parts
    this.#settings = settings
    this.#parts = parts
    this.#metrics = new Metrics(() => gaugesOf(this.#term))
    this.#audit = makeAuditLog(settings, { clock, log, registry: this.#metrics.registry })
    this.#etcd = reportFailures(etcdOf(settings, clock), () => this.#metrics.storeFailed('etcd'))
    this.#trust = readTrust(settings)
    this.#keys = makeKeys(settings.etcd.prefix)
    this.#watch = new LeaderWatch(
      { pollMs: leaderPollMs },
      { etcd: this.#etcd, keys: this.#keys, clock, log },
    )
    this.#stores = makeStores(settings, {
      clock,
      log,
      addressOf: async (id) => await this.#members?.agentAddressOf(id),
      failed: () => this.#metrics.storeFailed('objects'),
      logSynced: () => this.#metrics.logSynced(),
    })
    this.#metricsServer = new MetricsServer({
      registry: this.#metrics.registry,
      trouble: () => (this.#leading().kind === 'nobody' ? 'no leader' : undefined),
    })
    this.#endpoints = this.#makeEndpoints()
    this.#downloads = downloadServerOf(settings, log)
    this.#certificates = this.#makeCertificates()
  }

  /** Listens and stands for election. Resolves once it listens, with the addresses that others dial. */
  async start(): Promise<Member & { readonly metricsPort: number | undefined }> {
    const { id, userListen, agentListen, userAddress, agentAddress, metricsListen } = this.#settings
    await this.#certificates.start()
    const { userPort, nodePort } = await this.#endpoints.listen(userListen, agentListen)
    const self = {
      id,
      userAddress: userAddress ?? withPort(userListen, userPort),
      agentAddress: agentAddress ?? withPort(agentListen, nodePort),
      downloadAddress: await listenForDownloads(this.#downloads, this.#settings),
    }
    const { clock, log } = this.#parts
    this.#members = new Members(self, this.#keys.prefix, {
      ...{ etcd: this.#etcd, clock, log, recordVersion: schemaVersion + this.#settings.versionsAhead },
    })
    this.#watch.onRead(() => this.#showHealth())
    this.#watch.start()
    this.#members.start()
    this.#campaigning = this.#campaign(self)
    const metricsPort =
      metricsListen === undefined ? undefined : await this.#metricsServer.listen(metricsListen)
    log.info('This coordinator listens', { ...self, metricsPort })
    return { ...self, metricsPort }
  }

  /** Hands the lead over at once and ends. Safe to call twice. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('The coordinator is being stopped.'))
    await this.#campaigning
    await this.#certificates.stop()
    await this.#endpoints.close(closeGraceMs)
    await this.#audit.close()
    this.#watch.stop()
    await this.#members?.stop()
    await this.#stores.close().catch((error: unknown) => {
      this.#parts.log.warn('Logs could not be closed', { reason: messageOf(error) })
    })
    await this.#metricsServer.close()
    await this.#downloads?.close()
    this.#etcd.close()
  }

  async #campaign(self: Member): Promise<void> {
    const { clock, log } = this.#parts
    const { signal } = this.#stopping
    const election = this.#election(self)
    while (!signal.aborted) {
      const leadership = await election.campaign(signal).catch((error: unknown) => {
        if (!signal.aborted) log.error('This coordinator could not stand for election', { error })
      })
      if (!leadership) {
        await clock.sleep(failedTermMs, signal).catch(() => undefined)
        continue
      }
      try {
        await this.#lead(leadership)
      } catch (error) {
        log.error('This term has failed', { term: leadership.term, error })
        this.#unfit = error instanceof RpcError && error.code === 'FAILED_PRECONDITION' ? error : undefined
        await leadership.resign()
        await clock.sleep(failedTermMs, signal).catch(() => undefined)
      }
      await leadership.resign()
    }
  }

  /** Resolves when the term is over. */
  async #lead(leadership: Leadership): Promise<void> {
    const { signal } = this.#stopping
    const end = () => leadership.lose('it is being stopped')
    signal.addEventListener('abort', end, { once: true })
    try {
      await this.#stores.leads(leadership)
      const term = await startTerm(this.#settings, this.#termParts(), leadership)
      this.#term = term
      this.#unfit = undefined
      this.#showHealth()
      this.#parts.log.info('This coordinator is ready to lead', { term: leadership.term })
      await aborted(leadership.signal)
    } catch (error) {
      if (!leadership.signal.aborted) throw error
    } finally {
      signal.removeEventListener('abort', end)
      this.#endTerm(leadership)
    }
  }

  #endTerm(leadership: Leadership): void {
    const term = this.#term
    this.#term = undefined
    this.#showHealth()
    const reason: unknown = leadership.signal.reason
    this.#endpoints.abortStreams(reason instanceof Error ? reason : noLeader())
    term?.stop()
  }

  #leading(): Leading {
    const term = this.#term
    if (term?.leadership.isLeading()) return { kind: 'here', leader: term.leader }
    const seen = this.#watch.current()
    if (!seen || seen.id === this.#settings.id) return { kind: 'nobody', because: this.#unfit }
    return { kind: 'elsewhere', userAddress: seen.userAddress, agentAddress: seen.agentAddress }
  }

  #showHealth(): void {
    const leading = this.#leading()
    this.#endpoints.users.health.set(leading.kind !== 'nobody')
    this.#endpoints.users.leaderIs(leading.kind === 'elsewhere' ? leading.userAddress : undefined)
  }

  #facts(): ClusterFacts {
    const leadership = this.#term?.leadership
    invariant(leadership, 'the leader is asked about the cluster')
    const { clusterName, id } = this.#settings
    const { generation, term } = leadership
    const coordinators = this.#coordinators()
    return { name: clusterName, version, generation, term, leaderId: id, coordinators }
  }

  #coordinators(): readonly Member[] {
    return this.#members?.all() ?? []
  }

  #makeEndpoints(): Endpoints {
    const { clock, log, notYet } = this.#parts
    return new Endpoints({
      clock,
      log,
      notYet,
      tls: readTls(this.#settings.tls),
      store: this.#stores.objects,
      logs: meteredLogs(this.#stores.logs, this.#metrics),
      served: this.#stores.served,
      lines: this.#lines,
      maxObjectBytes: this.#settings.limits.maxObjectBytes,
      leading: () => this.#leading(),
      facts: () => this.#facts(),
      joinFacts: () =>
        joinFactsOf(this.#settings, this.#trust, { coordinators: this.#coordinators(), nowMs: clock.now() }),
      audit: this.#audit,
      keeping: keepingParts(this.#settings, { etcd: this.#etcd, audit: this.#audit, clock }),
      called: (method, code, milliseconds) => this.#metrics.called(method, statusName(code), milliseconds),
    })
  }

  #makeCertificates(): OwnCertificates {
    return new OwnCertificates(this.#settings, {
      ...this.#parts,
      trust: this.#trust,
      leading: () => this.#leading(),
      others: () =>
        this.#coordinators()
          .slice(1)
          .map(({ userAddress }) => userAddress),
      serve: (files) => {
        this.#endpoints.serve(files)
        this.#downloads?.serve(files)
        this.#stores.show(files)
      },
      showToEtcd: (files) => this.#etcd.show(files),
    })
  }

  #election(self: Member): Election {
    const { leaseTtlSeconds, etcd } = this.#settings
    return new Election(
      { ...self, leaseTtlSeconds, quotaBytes: etcd.quotaBytes },
      {
        ...this.#parts,
        etcd: this.#etcd,
        keys: this.#keys,
        leaderWatch: this.#watch,
        makeGeneration: () => randomUUID(),
      },
    )
  }

  #termParts() {
    return {
      ...this.#parts,
      etcd: this.#etcd,
      keys: this.#keys,
      store: this.#stores.objects,
      trust: this.#trust,
      userAddresses: () => this.#coordinators().map(({ userAddress }) => userAddress),
      recordVersions: () => this.#members?.recordVersions(),
      coordinatorAddresses: () => this.#coordinators().map(({ agentAddress }) => agentAddress),
      takeLines: this.#lines.take.bind(this.#lines),
      committed: this.#metrics.committed.bind(this.#metrics),
      markStore: () => this.#stores.mark(),
    }
  }
}
