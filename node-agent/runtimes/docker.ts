import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { chmod, chown, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { getuid } from 'node:process'
import { LRUCache } from 'lru-cache'
import { backoffMs } from '../../common/backoff.js'
import type { Clock } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import type { Random } from '../../common/random.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import { controlFolderOf, parseAttemptKey } from './control-folder.js'
import { type ContainerSettings, containerOf, labels, terminatingNote } from './docker-container.js'
import { DockerEngine } from './docker-engine.js'
import { type EngineInfo, factsOf } from './docker-facts.js'
import { ensureImage, type Image } from './docker-image.js'
import { changeOwner, ownerOfAgent } from './docker-owners.js'
import { exitNote, readExitNote, reserveExitNote } from './exit-note.js'
import { type Owner, ownerOf, userNameOf } from './image-owner.js'
import { leaveNote } from './notes.js'
import { containersAround } from './process-owner.js'
import type { Prepared, Runtime, RuntimeFacts, Task, TaskEnd, TaskState } from './runtime.js'
import { findStaticBusybox } from './static-busybox.js'
import { requireWorkingFolder } from './working-folder.js'

export interface DockerRuntimeSettings {
  readonly nodeId: string
  readonly attemptsFolder: string
  readonly socketPath: string
  /** A static busybox; looked for in the usual places when left out. */
  readonly busybox?: string | undefined
  /** Network mode of runs. Default `bridge`. */
  readonly network?: string | undefined
  /** Most processes and threads of one run. Default 32,768. */
  readonly processLimit?: number | undefined
}

/** How long the supervisor of a container may take over a kill before the whole container is ended. */
const killPatienceMs = 10_000
const backoff = { firstMs: 50, maxMs: 2000 }

/** Of `GET /containers/{id}/json`. */
interface ContainerState {
  readonly Status: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead'
  readonly ExitCode: number
  readonly OOMKilled: boolean
}

/** Of `GET /containers/json`. */
interface ContainerRow {
  readonly Id: string
  readonly Labels: Readonly<Record<string, string>>
}

/** Whom an image's commands run as. */
interface Account {
  readonly owner: Owner
  readonly name: string | undefined
}

/**
 * Runs commands in containers. Nothing about them is kept here: their names follow from node and attempt, and the engine
 * knows the rest. UNAVAILABLE means that the engine is away, and that the same call is right again later; `wait` waits for
 * it by itself.
 */
export class DockerRuntime implements Runtime {
  readonly name = 'docker'
  readonly #settings: DockerRuntimeSettings
  readonly #engine: DockerEngine
  readonly #clock: Clock
  readonly #random: Random
  /** The node and where it keeps its attempts: two pools may share an engine and name their nodes alike. */
  readonly #scope: string
  readonly #accounts = new LRUCache<string, Account>({ max: 1000 })

  constructor(settings: DockerRuntimeSettings, parts: { readonly clock: Clock; readonly random: Random }) {
    this.#settings = settings
    this.#engine = new DockerEngine(settings)
    this.#clock = parts.clock
    this.#random = parts.random
    const place = createHash('sha256').update(settings.attemptsFolder).digest('hex').slice(0, 8)
    this.#scope = `${settings.nodeId.replace(/[^\w.-]/g, '_')}-${place}`
  }

  async describe(signal: AbortSignal): Promise<RuntimeFacts> {
    const { body } = await this.#engine.call({ method: 'GET', path: '/info', signal })
    return factsOf(body as EngineInfo, this.#busybox())
  }

  async prepare(task: Task, progress: (line: string) => void, signal: AbortSignal): Promise<Prepared> {
    this.#container()
    if (ownerOfAgent() && (await this.inspect(task.id)) === 'absent') await this.#takeBack(task.spellFolder)
    const image = await ensureImage(this.#engine, { image: task.image, progress, signal }, this.#clock)
    const { owner } = await this.#accountOf(image, signal)
    // An agent without root makes `/spell` as its own; it is given away at the start, and taken back at the end.
    return { imageDigest: image.digest, owner: ownerOfAgent() ? undefined : owner }
  }

  async start(task: Task, prepared: Prepared): Promise<void> {
    const { owner, name } = await this.#accountIn(prepared)
    const files = await makeFiles(task)
    const label = { [labels.node]: this.#scope, [labels.attempt]: attemptKey(task.id) }
    const named = name === undefined ? task : { ...task, env: { USER: name, ...task.env } }
    const body = containerOf(named, prepared, this.#container(), label)
    const query = { name: this.#nameOf(task.id) }
    const created = await this.#engine.call({
      method: 'POST',
      path: '/containers/create',
      query,
      body,
      accepted: [409],
    })
    if (created.status === 409 && (await this.#state(task.id))?.Status !== 'created') return
    // Only now is it certain that the run has not begun: one that has may have put anything in a folder's place.
    requireWorkingFolder(task)
    await makeWritable(files, task.controlFolder, owner)
    if (ownerOfAgent()) await changeOwner(this.#engine, task.spellFolder, owner, this.#container())
    try {
      await this.#engine.call({ method: 'POST', path: this.#path(task.id, 'start'), accepted: [304] })
    } catch (error) {
      throw startTrouble(error)
    }
  }

  async wait(id: AttemptId, signal: AbortSignal): Promise<TaskEnd> {
    for (let failures = 0; ; failures += 1) {
      try {
        await this.#engine.call({ method: 'POST', path: this.#path(id, 'wait'), signal })
        const state = await this.#state(id, signal)
        if (!state) throw vanished(id)
        if (state.Status === 'exited' || state.Status === 'dead') {
          // What can't be taken back shows when it is saved; the run has ended all the same.
          await this.#takeBack(join(this.#settings.attemptsFolder, attemptKey(id), 'spell')).catch(
            unlessRefused,
          )
          return this.#endOf(id, state)
        }
        if (state.Status === 'created')
          throw new RpcError('FAILED_PRECONDITION', `The command of ${attemptKey(id)} was never started.`)
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof RpcError)) throw error
        if (error.code === 'NOT_FOUND') throw vanished(id)
        if (error.code !== 'UNAVAILABLE') throw error
        await this.#clock.sleep(backoffMs(backoff, failures, this.#random), signal)
      }
    }
  }

  async inspect(id: AttemptId): Promise<TaskState> {
    const state = await this.#state(id)
    if (!state || state.Status === 'created') return 'absent'
    return state.Status === 'exited' || state.Status === 'dead' ? 'ended' : 'running'
  }

  async terminate(id: AttemptId): Promise<void> {
    this.#noteTerminating(id)
    await this.#signal(id, 'SIGTERM')
  }

  async kill(id: AttemptId): Promise<void> {
    this.#noteTerminating(id)
    if (!(await this.#signal(id, 'SIGUSR1'))) return
    const signal = AbortSignal.timeout(killPatienceMs)
    const path = this.#path(id, 'wait')
    await this.#engine
      .call({ method: 'POST', path, accepted: [404], signal })
      .catch(async (error: unknown) => {
        if (!signal.aborted) throw error
        await this.#signal(id, 'SIGKILL')
      })
  }

  async remove(id: AttemptId): Promise<void> {
    const query = { force: '1', v: '1' }
    for (let tries = 0; ; tries += 1) {
      const accepted = [404, 409]
      const { status } = await this.#engine.call({ method: 'DELETE', path: this.#path(id), query, accepted })
      if (status !== 409) break
      if (tries === 100) throw new RpcError('UNAVAILABLE', `The engine is still removing ${attemptKey(id)}.`)
      await this.#clock.sleep(backoffMs(backoff, tries, this.#random))
    }
    // The folder may serve another run, which would take them for its own.
    const folder = controlFolderOf(this.#settings.attemptsFolder, id)
    for (const name of [exitNote, terminatingNote]) rmSync(join(folder, name), { force: true })
  }

  async layerBytes(id: AttemptId): Promise<number> {
    const call = {
      method: 'GET',
      path: this.#path(id, 'json'),
      query: { size: '1' },
      accepted: [404],
    } as const
    return ((await this.#engine.call(call)).body as { SizeRw?: number }).SizeRw ?? 0
  }

  async owned(pids: readonly number[]): Promise<ReadonlySet<number>> {
    const own = new Set((await this.#containers()).map(({ Id }) => Id))
    return new Set(pids.filter((pid) => containersAround(pid).some((id) => own.has(id))))
  }

  async list(): Promise<readonly AttemptId[]> {
    const containers = await this.#containers()
    return containers.flatMap(({ Labels }) => parseAttemptKey(Labels[labels.attempt] ?? '') ?? [])
  }

  async #containers(): Promise<readonly ContainerRow[]> {
    const filters = JSON.stringify({ label: [`${labels.node}=${this.#scope}`] })
    const query = { all: '1', filters }
    const { body } = await this.#engine.call({ method: 'GET', path: '/containers/json', query })
    return body as readonly ContainerRow[]
  }

  async reclaim(_id: AttemptId, folder: string): Promise<void> {
    const agent = ownerOfAgent()
    if (agent) await changeOwner(this.#engine, folder, agent, this.#container())
  }

  async #state(id: AttemptId, signal?: AbortSignal): Promise<ContainerState | undefined> {
    const path = this.#path(id, 'json')
    const answer = await this.#engine.call({ method: 'GET', path, accepted: [404], signal })
    return answer.status === 404 ? undefined : (answer.body as { State: ContainerState }).State
  }

  /** Who the command runs as; `prepare` found it out, in this life of the agent or an earlier one. */
  async #accountIn({ imageDigest = '' }: Prepared): Promise<Account> {
    const known = this.#accounts.get(imageDigest)
    if (known) return known
    const signal = AbortSignal.timeout(killPatienceMs)
    const options = { image: imageDigest, progress: () => undefined, signal }
    return await this.#accountOf(await ensureImage(this.#engine, options, this.#clock), signal)
  }

  async #accountOf(image: Image, signal: AbortSignal): Promise<Account> {
    const known = this.#accounts.get(image.digest)
    if (known) return known
    const account = { owner: await ownerOf(this.#engine, image, signal), name: userNameOf(image) }
    this.#accounts.set(image.digest, account)
    return account
  }

  /** For an agent without root: takes back what it gave to a container's user, if that is still so. */
  async #takeBack(folder: string): Promise<void> {
    const agent = ownerOfAgent()
    const uid = await stat(folder).then(
      (facts) => facts.uid,
      () => agent?.uid,
    )
    if (agent && uid !== agent.uid) await changeOwner(this.#engine, folder, agent, this.#container())
  }

  /** The supervisor's own note of the status counts first: an engine that was away may not have learned it. */
  #endOf(id: AttemptId, state: ContainerState): TaskEnd {
    const noted = readExitNote(controlFolderOf(this.#settings.attemptsFolder, id))
    return { exitCode: noted ?? state.ExitCode, outOfMemory: state.OOMKilled }
  }

  /** A signal may come before the supervisor listens; it then finds this file. */
  #noteTerminating(id: AttemptId): void {
    leaveNote(join(controlFolderOf(this.#settings.attemptsFolder, id), terminatingNote))
  }

  /** False when there is nothing (any more) that could take it. */
  async #signal(id: AttemptId, signal: string): Promise<boolean> {
    const path = this.#path(id, 'kill')
    const call = { method: 'POST', path, query: { signal }, accepted: [404, 409] } as const
    return (await this.#engine.call(call)).status === 204
  }

  #container(): ContainerSettings {
    const busybox = this.#busybox()
    if (busybox === undefined)
      throw new RpcError('FAILED_PRECONDITION', 'This node has no static busybox; install busybox-static.')
    const { network = 'bridge', processLimit = 32_768 } = this.#settings
    return { busybox, network, processLimit }
  }

  #busybox(): string | undefined {
    return findStaticBusybox(this.#settings.busybox)
  }

  #nameOf(id: AttemptId): string {
    return `spell-${this.#scope}-${attemptKey(id)}`
  }

  #path(id: AttemptId, action?: string): string {
    const path = `/containers/${this.#nameOf(id)}`
    return action === undefined ? path : `${path}/${action}`
  }
}

/** The files that the supervisor writes to: they must be there when the container is made. */
async function makeFiles(task: Task): Promise<readonly string[]> {
  const file = await open(task.outputFile, 'a')
  await file.close()
  return [task.outputFile, reserveExitNote(task.controlFolder)]
}

/** The supervisor runs as the image's user. The control folder stays the agent's: it is only looked at from inside. */
async function makeWritable(files: readonly string[], controlFolder: string, owner: Owner): Promise<void> {
  const { uid, gid } = owner
  if (uid === getuid?.()) return
  if (getuid?.() === 0) await Promise.all(files.map((path) => chown(path, uid, gid)))
  else if (uid !== 0) await Promise.all(files.map((path) => chmod(path, 0o666)))
  await chmod(controlFolder, 0o755)
}

function unlessRefused(error: unknown): void {
  if (!(error instanceof RpcError && error.code === 'FAILED_PRECONDITION')) throw error
}

function startTrouble(error: unknown): unknown {
  if (!(error instanceof RpcError) || error.code === 'UNAVAILABLE') return error
  const advice = /device driver .*gpu/.test(error.message)
    ? ' Is the NVIDIA Container Toolkit installed on the node?'
    : ''
  const sentence = `The container does not start. ${error.message}${advice}`
  return new RpcError('FAILED_PRECONDITION', sentence, { cause: error })
}

function vanished(id: AttemptId): RpcError {
  return new RpcError('NOT_FOUND', `The container of ${attemptKey(id)} is gone.`)
}
