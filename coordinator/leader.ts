import type { Timer } from '../common/clock.js'
import { RpcError } from '../common/errors.js'
import { type AttemptId, attemptKey } from '../proto/model/attempt.js'
import type { ToAgent } from '../proto/model/link.js'
import type { RunSpec } from '../proto/model/run-spec.js'
import type { AgentSession } from './agents/agent-session.js'
import { isAhead } from './agents/hello.js'
import { LinkSession } from './agents/link-session.js'
import { lookAtNodes } from './agents/node-watch.js'
import { isCurrent } from './agents/take-reports.js'
import type { MachineTypeView, NodeView, ProjectView, RunView, StatusView, User } from './core/records.js'
import * as accounts from './leader/accounts.js'
import { machineTypeViews, statusView } from './leader/cluster-views.js'
import { labelRun, lookUp, noSuchRun } from './leader/edit.js'
import { editProject } from './leader/edit-project.js'
import { Joins } from './leader/joins.js'
import { type Keeping, keepingOf } from './leader/keeping.js'
import { listRuns, viewFound } from './leader/list.js'
import { makeTerm } from './leader/make-term.js'
import { NodeAdmin } from './leader/node-admin.js'
import { nodeViews } from './leader/node-views.js'
import { placeRuns } from './leader/place.js'
import * as projects from './leader/projects.js'
import { expectNothingOfRemoved } from './leader/remove-node.js'
import { requestHashes, unsealedSpec } from './leader/sealed-env.js'
import { maySteer, steerRuns } from './leader/steer.js'
import { answeredBefore, submitRun } from './leader/submit.js'
import type { Term } from './leader/term.js'
import { TypeAdmin } from './leader/type-admin.js'
import type {
  LeaderParts,
  LeaderSettings,
  ProjectEdit,
  RequestName,
  RunFilter,
  RunPage,
  RunWatcher,
  SteerAction,
  Steered,
  Submission,
  Submitted,
} from './leader/types.js'
import { WaitingNews } from './leader/waiting-news.js'
import { People } from './people/people.js'

const lookEveryMs = 1_000

/**
 * Everything that the leading coordinator knows and decides, for one term: made after the election was won and the whole
 * state was read, thrown away when leadership is lost.
 *
 * Changes are made in memory at once and join the commit queue; nothing of them gets out (answers, orders to agents,
 * watchers) before they are committed, and a read answers after everything that it saw is.
 */
export class Leader {
  readonly joins: Joins
  /** What administrators do with nodes. */
  readonly nodeAdmin: NodeAdmin
  readonly people: People
  readonly typeAdmin: TypeAdmin
  readonly #term: Term
  readonly #news: WaitingNews
  #timer: Timer | undefined
  #placing = false
  #closed = false

  constructor(settings: LeaderSettings, parts: LeaderParts) {
    this.#term = makeTerm(settings, parts, () => this.#wake())
    this.joins = new Joins(this.#term)
    this.nodeAdmin = new NodeAdmin(this.#term)
    this.typeAdmin = new TypeAdmin(this.#term)
    this.#news = new WaitingNews(this.#term)
    this.people = new People(this.#term)
  }

  /** Begins to place, to archive and to look after silent nodes. */
  start(): void {
    const { runs } = this.#term.memory
    expectNothingOfRemoved(this.#term)
    // The last leader may have ended between the unit that ended a run and the one that let its user's next one in.
    for (const user of runs.concurrency.waitingUsers()) runs.fillSlots(user)
    this.#term.writes.post()
    this.#term.archive.start()
    this.#term.highestRun.start()
    this.#wake()
    this.#lookLater()
  }

  /** The term is over: nothing more is decided. Safe to call twice. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#term.archive.close()
    this.#term.closing.abort(new RpcError('UNAVAILABLE', 'This coordinator does not lead any more.'))
  }

  /** Answers once etcd has the run. */
  submit(submission: Submission): Promise<Submitted> {
    return submitRun(this.#term, submission)
  }

  /** Undefined: it is a new request. ALREADY_EXISTS: its id was used for another. */
  answeredBefore(request: RequestName): Promise<Submitted> | undefined {
    return answeredBefore(this.#term, request)
  }

  /** NOT_FOUND: "no run 77; the newest is 12". */
  async run(id: number): Promise<RunView> {
    const found = await lookUp(this.#term, id)
    if (!found) throw noSuchRun(this.#term, id)
    return this.#seen(viewFound(this.#term, found))
  }

  /** Its environment variables with their values: for whoever may see them. */
  async environmentOf(id: number): Promise<RunSpec['env']> {
    const found = await lookUp(this.#term, id)
    if (!found) throw noSuchRun(this.#term, id)
    return unsealedSpec(this.#term.parts.trust.clusterKey, found.origin).env
  }

  /** FAILED_PRECONDITION: it has secrets, and there is no key to seal them with. */
  requestHashes(spec: RunSpec, content: string): Pick<RequestName, 'requestHash' | 'earlierHash'> {
    return requestHashes(this.#term.parts.trust.clusterKey, spec, content)
  }

  async list(filter: RunFilter): Promise<RunPage> {
    return this.#seen(await listRuns(this.#term, filter))
  }

  steer(action: SteerAction, user: User, ids: readonly number[]): Promise<Steered> {
    return steerRuns(this.#term, action, user, ids)
  }

  async setLabel(
    user: User,
    id: number,
    change: { readonly label: string; readonly remove: boolean },
  ): Promise<RunView> {
    await labelRun(this.#term, id, change, (creator) => {
      if (!maySteer(user, creator)) throw new RpcError('PERMISSION_DENIED', `Run ${id} is ${creator}'s.`)
    })
    return this.run(id)
  }

  /** Hears of every change of the run, each after its commit, until the result is called. */
  watch(runId: number, watcher: RunWatcher): () => void {
    return this.#term.watchers.add(runId, watcher)
  }

  newestRunId(): number {
    return this.#term.memory.counter
  }

  createProject(
    user: User,
    project: { readonly name: string; readonly description: string; readonly runIds: readonly number[] },
  ): Promise<ProjectView> {
    return projects.createProject(this.#term, user, project)
  }

  async listProjects({
    includeArchived,
  }: {
    readonly includeArchived: boolean
  }): Promise<readonly ProjectView[]> {
    const shown = [...this.#term.memory.projects.values()]
      .filter(({ archived }) => includeArchived || !archived)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    return this.#seen(shown.map((project) => projects.projectView(this.#term, project)))
  }

  async project(name: string): Promise<ProjectView> {
    return this.#seen(projects.projectView(this.#term, projects.projectNamed(this.#term, name)))
  }

  editProject(user: User, name: string, edit: ProjectEdit): Promise<ProjectView> {
    return editProject(this.#term, user, name, edit)
  }

  setProjectArchived(user: User, name: string, flag: { readonly archived: boolean }): Promise<ProjectView> {
    return projects.setProjectArchived(this.#term, user, name, flag)
  }

  async addToProject(user: User, name: string, ids: readonly number[]): Promise<Steered> {
    projects.projectNamed(this.#term, name)
    return projects.moveRuns(this.#term, { user, ids, to: name })
  }

  async removeFromProject(user: User, name: string, ids: readonly number[]): Promise<Steered> {
    projects.projectNamed(this.#term, name)
    return projects.moveRuns(this.#term, { user, ids, from: name })
  }

  /** Of a token's hash; undefined: nobody's. */
  user(tokenSha256: string): User | undefined {
    const { tokens, users } = this.#term.memory
    return users.get(tokens.get(tokenSha256)?.user ?? '')
  }

  /** Makes the user or changes it; with a token's hash that token is added. */
  putUser(user: User, tokenSha256?: string): Promise<void> {
    return accounts.putUser(this.#term, user, tokenSha256)
  }

  userNamed(name: string): User | undefined {
    return this.#term.memory.users.get(name)
  }

  setUserLimit(name: string, maxConcurrentRuns: number): Promise<User> {
    return accounts.setUserLimit(this.#term, name, maxConcurrentRuns)
  }

  removeToken(tokenSha256: string): Promise<void> {
    return accounts.removeToken(this.#term, tokenSha256)
  }

  async settings(): Promise<Readonly<Record<string, string>>> {
    return this.#seen(Object.fromEntries(this.#term.memory.settings))
  }

  setSetting(name: string, value: string): Promise<void> {
    return accounts.setSetting(this.#term, name, value)
  }

  async status(user: User): Promise<StatusView> {
    return this.#seen(statusView(this.#term, user))
  }

  async nodes(): Promise<readonly NodeView[]> {
    return this.#seen(nodeViews(this.#term))
  }

  async machineTypes(): Promise<readonly MachineTypeView[]> {
    return this.#seen(machineTypeViews(this.#term))
  }

  /** What metrics show; costs nothing and waits for nothing. */
  facts(): LeaderFacts {
    const { memory, archive, links, parts } = this.#term
    const { runs } = memory
    const oldest = runs.get(runs.placement.oldest ?? 0)
    return {
      runsByState: runs.countByState,
      queued: runs.placement.queued,
      oldestQueuedMs: oldest ? Math.max(0, parts.clock.now() - oldest.origin.createdAtMs) : 0,
      archivedRuns: archive.index.runs,
      waitingForArchive: archive.waiting,
      requestIds: memory.requests.size,
      heartbeatAgesMs: new Map([...memory.nodes.values()].map(({ id, name }) => [name, links.unheardMs(id)])),
    }
  }

  attach(nodeId: string, send: (message: ToAgent) => void): AgentSession {
    return new LinkSession(this.#term, nodeId, send)
  }

  /**
   * Whether what comes from that node for this attempt counts. UNAVAILABLE: this coordinator can't know, as it no longer
   * leads, or as the node knows more than a restored etcd and has yet to tell.
   */
  isCurrentAttempt(id: AttemptId, nodeId: string): boolean {
    const { parts, memory, links } = this.#term
    if (!parts.isLeading()) throw new RpcError('UNAVAILABLE', 'This coordinator does not lead any more.')
    const entry = memory.runs.get(id.runId)
    if (entry && isCurrent(entry, id, nodeId)) return true
    if (isAhead(this.#term, id) && links.mayRun(nodeId, id))
      throw new RpcError('UNAVAILABLE', `Its node has not described attempt ${attemptKey(id)} yet.`)
    return false
  }

  /** Whether more of the log of a run's newest attempt can come: its node is here, is away, or has let go of it. */
  logOutlook(runId: number): 'coming' | 'away' | 'over' {
    const { links, memory } = this.#term
    const entry = memory.runs.get(runId)
    const nodeId = entry?.record.nodeId
    if (!entry || nodeId === undefined || entry.forgotten) return 'over'
    return links.silentMs(nodeId) === 0 ? 'coming' : 'away'
  }

  /** Backups, and what follows a restored one. */
  get keeping(): Keeping {
    return keepingOf(this.#term)
  }

  async #seen<T>(answer: T): Promise<T> {
    await this.#term.writes.seen()
    return answer
  }

  /** Places once for everything that happens in one turn of the loop. */
  #wake(): void {
    if (this.#placing || this.#closed) return
    this.#placing = true
    queueMicrotask(() => {
      this.#placing = false
      if (!this.#closed) placeRuns(this.#term)
    })
  }

  #lookLater(): void {
    this.#timer = this.#term.parts.clock.timer(lookEveryMs, () => {
      if (this.#closed) return
      lookAtNodes(this.#term)
      this.#news.tell()
      this.joins.look()
      this.#term.highestRun.keepUp()
      this.#term.raiseSchema.look()
      this.#lookLater()
    })
  }
}

/** Figures of the moment. */
export interface LeaderFacts {
  readonly runsByState: ReadonlyMap<string, number>
  readonly queued: number
  readonly oldestQueuedMs: number
  readonly archivedRuns: number
  readonly waitingForArchive: number
  readonly requestIds: number
  /** By the node's name, since it was last heard. */
  readonly heartbeatAgesMs: ReadonlyMap<string, number>
}
