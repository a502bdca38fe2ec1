import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { basename } from 'node:path'
import { invariant, messageOf } from '../../common/errors.js'
import { systemRandom } from '../../common/random.js'
import { addContext, readConfig } from '../config.js'
import { Failure } from '../failure.js'
import { note, type World } from '../world.js'
import { Administrator } from './administrator.js'
import { chooseRuntime, type RuntimeChoice } from './choose-runtime.js'
import { giveDefaultImage } from './default-image.js'
import { endCluster } from './end-cluster.js'
import { listGpus } from './gpus.js'
import { type Layout, layoutOf } from './layout.js'
import { etcdClients, etcdPeers, listenerNames, userAddresses } from './listeners.js'
import { handLockTo, lockHolder, releaseLock, takeLock } from './lock.js'
import { type ClusterPlan, readPlan, writePlan } from './plan-file.js'
import { choosePorts } from './ports.js'
import { identityOf, processesWith } from './process-table.js'
import { findPrograms, type Programs, programRoot } from './programs.js'
import { localEnvironment } from './settings.js'
import { overCommitted, shareOut } from './shares.js'
import { authorityFile, readAdminToken } from './trust.js'
import { untilReady } from './until-ready.js'

/** What `spell cluster up` was asked for; what is undefined stays what it was, or is the usual. */
export interface UpOptions {
  readonly dir: string
  readonly nodes: number | undefined
  readonly coordinators: number | undefined
  readonly runtime: RuntimeChoice | undefined
  readonly nvidiaSmi: string | undefined
  readonly cpus: number | undefined
  readonly memoryBytes: number | undefined
}

/** Brings the cluster up, or takes over one whose supervisor died. Returns when it takes runs. */
export async function bringUp(world: World, options: UpOptions): Promise<ClusterPlan> {
  const layout = layoutOf(options.dir)
  const environment = localEnvironment()
  const programs = findPrograms(environment.searchPath, programRoot())
  makeFolder(layout.dir)
  takeLock(layout)
  try {
    const plan = await makePlan(world, layout, options)
    writePlan(layout, plan)
    startSupervisor(layout, programs)
    try {
      await untilReady(world, layout, plan)
      if (plan.runtime === 'docker') await seeToDefaultImage(world, layout, plan)
    } catch (error) {
      await endCluster(layout, world.clock)
      throw error
    }
    await rememberLogin(world, layout, plan, environment.userName)
    return plan
  } catch (error) {
    releaseLock(layout)
    throw error
  }
}

async function seeToDefaultImage(world: World, layout: Layout, plan: ClusterPlan): Promise<void> {
  const administrator = new Administrator(layout, plan, world.clock)
  try {
    await giveDefaultImage(world, administrator, { ...localEnvironment(), dockerSocket: plan.dockerSocket })
  } catch (error) {
    // The cluster is good for every run that names an image.
    note(world, `Warning: the cluster has no default image: ${messageOf(error)}`)
  } finally {
    administrator.close()
  }
}

async function makePlan(world: World, layout: Layout, options: UpOptions): Promise<ClusterPlan> {
  const before = readPlan(layout)
  const environment = localEnvironment()
  const dockerSocket = before?.dockerSocket ?? environment.dockerSocket
  const nvidiaSmi = options.nvidiaSmi ?? before?.nvidiaSmi
  const { runtime, sentence } = await chooseRuntime(options.runtime, before?.runtime, dockerSocket)
  note(world, sentence)
  const asked = {
    nodes: options.nodes ?? before?.nodes ?? 1,
    coordinators: options.coordinators ?? before?.coordinators ?? 1,
    ...optional('cpus', options.cpus ?? before?.cpus),
    ...optional('memoryBytes', options.memoryBytes ?? before?.memoryBytes),
    ...optional('nvidiaSmi', nvidiaSmi),
  }
  const gpus = await listGpus({ nvidiaSmi, searchPath: environment.searchPath })
  for (const warning of gpus.warnings) note(world, `Warning: ${warning}`)
  const machine = { cpus: availableParallelism(), memoryBytes: totalmem(), gpuUuids: gpus.uuids }
  const shares = shareOut(machine, asked)
  for (const warning of overCommitted(machine, shares)) note(world, `Warning: ${warning}`)
  const { ports, moved } = await choosePorts(
    listenerNames(asked),
    before?.ports ?? {},
    listenersInUse(layout, before),
    systemRandom,
  )
  if (moved.length > 0)
    note(world, `Other programs have ports of this cluster now; new ones for: ${moved.join(', ')}.`)
  const name = before?.name ?? (await freeName(world, layout))
  return {
    v: 1,
    name,
    runtime,
    dockerSocket,
    ...asked,
    shares: shares.map((share) => ({ ...share, gpuUuids: [...share.gpuUuids] })),
    ports,
  }
}

/** Listeners of processes that a dead supervisor left running: their ports are taken, by us. */
function listenersInUse(layout: Layout, before: ClusterPlan | undefined): ReadonlySet<string> {
  if (!before) return new Set()
  const runs = (mark: string): boolean => processesWith(mark).length > 0
  return new Set(
    listenerNames(before).filter((listener) =>
      listener === etcdClients || listener === etcdPeers
        ? runs(`--data-dir=${layout.etcdFolder}`)
        : runs(`--settings=${layout.settingsFile(listener.replace(/\.[a-z]+$/, ''))}`),
    ),
  )
}

/** The folder's name, with a number behind it if a context of that name is another cluster's. */
async function freeName(world: World, layout: Layout): Promise<string> {
  const taken = new Set((await readConfig(world.settings.directory)).contexts.map((context) => context.name))
  const wanted = basename(layout.dir).replace(/^\.+/, '') || 'cluster'
  let name = wanted
  for (let count = 2; taken.has(name); count++) name = `${wanted}-${count}`
  return name
}

function startSupervisor(layout: Layout, programs: Programs): void {
  mkdirSync(layout.logFolder, { recursive: true, mode: 0o700 })
  const output = openSync(layout.logFile('supervisor'), 'a', 0o600)
  try {
    const child = spawn(
      programs.node,
      [programs.supervisor, `--cluster=${layout.dir}`, `--programs=${programRoot()}`],
      { detached: true, cwd: '/', stdio: ['ignore', output, output], env: localEnvironment().forProcesses },
    )
    const holder = child.pid === undefined ? undefined : identityOf(child.pid)
    invariant(holder, 'Node itself can be started')
    child.unref()
    handLockTo(layout, holder)
  } finally {
    closeSync(output)
  }
}

function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new Failure('error', `${dir} cannot be the folder of a cluster: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** Lets whoever had logged out of a cluster that runs in again. Says whether that was what there was to do. */
export async function restoreLogin(world: World, dir: string): Promise<boolean> {
  const layout = layoutOf(dir)
  const plan = lockHolder(layout) && readPlan(layout)
  if (!plan || !existsSync(layout.adminTokenFile)) return false
  const { contexts } = await readConfig(world.settings.directory)
  if (contexts.some((context) => context.name === plan.name && context.token !== '')) return false
  await rememberLogin(world, layout, plan, localEnvironment().userName)
  note(world, `You are logged in to ${plan.name} again.`)
  return true
}

async function rememberLogin(
  world: World,
  layout: Layout,
  plan: ClusterPlan,
  userName: string,
): Promise<void> {
  await addContext(
    world.settings.directory,
    {
      name: plan.name,
      addresses: userAddresses(plan),
      ca: readFileSync(authorityFile(layout), 'utf8'),
      token: readAdminToken(layout),
      userName,
      dir: layout.dir,
    },
    'if-none',
  )
}

function optional<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]?: Value })
}
