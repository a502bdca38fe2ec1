import type { AttemptId } from '../proto/model/attempt.js'
import type { ToAgent } from '../proto/model/link.js'
import type { AgentSession } from './agents/agent-session.js'
import type { MachineTypeView, NodeView, ProjectView, RunView, StatusView, User } from './core/records.js'
import type {
  LeaderParts,
  LeaderSettings,
  ProjectEdit,
  RunFilter,
  RunPage,
  RunWatcher,
  SteerAction,
  Steered,
  Submission,
  Submitted,
} from './leader/types.js'

/**
 * Everything that the leading coordinator knows and decides, for one term: made after the election was won and the whole
 * state was read, thrown away when leadership is lost.
 *
 * Changes are made in memory at once and join the commit queue; nothing of them gets out (answers, orders to agents,
 * watchers) before they are committed, and a read answers after everything that it saw is.
 */
export declare class Leader {
  constructor(settings: LeaderSettings, parts: LeaderParts)
  start(): void
  close(): void

  submit(submission: Submission): Promise<Submitted>
  /** NOT_FOUND: "no run 77; the newest is 12". */
  run(id: number): Promise<RunView>
  list(filter: RunFilter): Promise<RunPage>
  steer(action: SteerAction, user: User, ids: readonly number[]): Promise<Steered>
  setLabel(user: User, id: number, change: { label: string; remove: boolean }): Promise<RunView>
  watch(runId: number, watcher: RunWatcher): () => void
  newestRunId(): number

  createProject(
    user: User,
    project: { name: string; description: string; runIds: readonly number[] },
  ): Promise<ProjectView>
  listProjects(options: { includeArchived: boolean }): Promise<readonly ProjectView[]>
  project(name: string): Promise<ProjectView>
  editProject(user: User, name: string, edit: ProjectEdit): Promise<ProjectView>
  setProjectArchived(user: User, name: string, options: { archived: boolean }): Promise<ProjectView>
  addToProject(user: User, name: string, ids: readonly number[]): Promise<Steered>
  removeFromProject(user: User, name: string, ids: readonly number[]): Promise<Steered>

  /** Of a token's hash; undefined: nobody's. */
  user(tokenSha256: string): User | undefined
  /** Makes the user or changes it; with a token's hash that token is added. */
  putUser(user: User, tokenSha256?: string): Promise<void>
  setUserLimit(name: string, maxConcurrentRuns: number): Promise<User>
  removeToken(tokenSha256: string): Promise<void>
  settings(): Promise<Readonly<Record<string, string>>>
  setSetting(name: string, value: string): Promise<void>
  status(user: User): Promise<StatusView>
  nodes(): Promise<readonly NodeView[]>
  machineTypes(): Promise<readonly MachineTypeView[]>

  attach(nodeId: string, send: (message: ToAgent) => void): AgentSession
  isCurrentAttempt(id: AttemptId, nodeId: string): boolean
  /** After a restored backup: raises the counter to the highest id that anything has shown. Gives that id. */
  repair(): Promise<number>
}
