import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Clock } from '../../../common/clock.js'
import { messageOf } from '../../../common/errors.js'
import { engineRequest, lookForEngine, textOf } from '../../cluster/docker-engine.js'
import { findProgram } from '../../cluster/programs.js'
import { addressesOf, splitAddress } from '../hosts.js'
import { clockAheadOf } from './ask-clock.js'
import type { Dialled, Disk, Engine, EngineInfo, GpuDriver, MachineFacts } from './facts.js'

const run = promisify(execFile)
const smiPatienceMs = 20_000
const dialPatienceMs = 5_000
/** Where agents look for it: node-agent/runtimes/static-busybox.ts. */
const busyboxPlaces = ['/bin/busybox', '/usr/bin/busybox', '/usr/local/bin/busybox', '/usr/lib/spell/busybox']

export interface Question {
  readonly runtime: 'docker' | 'process'
  readonly socketPath: string
  /** Of the node; it need not be there yet. */
  readonly dataFolder: string
  /** `host:port` each. */
  readonly coordinators: readonly string[]
  /** Where users dial, `host:port` each: who answers there says what time it is. */
  readonly clocks: readonly string[]
  readonly searchPath: readonly string[]
  /** Where the kernel shows its devices; `/` outside tests. */
  readonly root?: string
}

/** Looks at everything at once. Nothing of it changes anything. */
export async function gatherFacts(question: Question, clock: Clock): Promise<MachineFacts> {
  const { runtime, socketPath, searchPath, root = '/' } = question
  const engine = runtime === 'docker' ? await lookAtEngine(socketPath) : undefined
  const info = engine?.kind === 'answers' ? engine.info : undefined
  const [coordinators, clockAheadMs, disks, driver] = await Promise.all([
    Promise.all(question.coordinators.map(dial)),
    firstClock(question.clocks, clock),
    lookAtDisks(question.dataFolder, info),
    askDriver(searchPath),
  ])
  return {
    ...{ runtime, socketPath, engine, coordinators, clockAheadMs, disks, driver },
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    overlay: hasOverlay(root),
    staticBusybox: busyboxPlaces.some((file) => existsSync(file)),
    git: findProgram('git', searchPath) !== undefined,
    gpuSlots: findGpuSlots(root),
    containerToolkit: info !== undefined && givesGpus(info, searchPath, root),
  }
}

async function firstClock(addresses: readonly string[], clock: Clock): Promise<number | undefined> {
  const answers = await Promise.all(addresses.map((address) => clockAheadOf(address, clock)))
  return answers.find((ahead) => ahead !== undefined)
}

async function lookAtEngine(socketPath: string): Promise<Engine> {
  const found = await lookForEngine(socketPath)
  if (found.kind === 'silent') return found
  try {
    const signal = AbortSignal.timeout(dialPatienceMs)
    const answer = await textOf(await engineRequest(socketPath, { path: '/info', signal }))
    return { kind: 'answers', info: JSON.parse(answer) as EngineInfo }
  } catch (error) {
    return { kind: 'silent', reason: messageOf(error) }
  }
}

async function lookAtDisks(dataFolder: string, info: EngineInfo | undefined): Promise<readonly Disk[]> {
  const places = [{ use: 'the data of runs', path: dataFolder }]
  if (info?.DockerRootDir) places.push({ use: 'images and containers', path: info.DockerRootDir })
  const disks = await Promise.all(
    places.map(async (place) => ({ ...place, freeBytes: await freeUnder(place.path) })),
  )
  return disks.filter((disk): disk is Disk => disk.freeBytes !== undefined)
}

/** Of a folder that need not be there: of the nearest above it. */
async function freeUnder(path: string): Promise<number | undefined> {
  let folder = path
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
  try {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  } catch {
    return undefined
  }
}

export async function dial(address: string): Promise<Dialled> {
  const { host, port } = splitAddress(address)
  const leadsTo = await addressesOf(host)
  const trouble = leadsTo.length === 0 ? 'its name is not known' : await whyUnreachable(host, port)
  return { address, leadsTo, trouble }
}

function whyUnreachable(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: dialPatienceMs })
    const settle = (trouble: string | undefined) => {
      socket.destroy()
      resolve(trouble)
    }
    socket.once('connect', () => settle(undefined))
    socket.once('timeout', () => settle(`no answer within ${dialPatienceMs / 1_000} s`))
    socket.once('error', (error) => settle(messageOf(error)))
  })
}

function hasOverlay(root: string): boolean {
  return /\boverlay$/m.test(readText(join(root, 'proc/filesystems')))
}

/** Display and 3D controllers of NVIDIA: its audio and USB functions are beside them. */
export function findGpuSlots(root: string): readonly string[] {
  const folder = join(root, 'sys/bus/pci/devices')
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter(
    (slot) =>
      readText(join(folder, slot, 'vendor')).trim() === '0x10de' &&
      /^0x030[02]/.test(readText(join(folder, slot, 'class'))),
  )
}

async function askDriver(searchPath: readonly string[]): Promise<GpuDriver> {
  const program = findProgram('nvidia-smi', searchPath)
  if (program === undefined) return { kind: 'none' }
  try {
    const { stdout } = await run(program, ['-L'], { timeout: smiPatienceMs, killSignal: 'SIGKILL' })
    return { kind: 'lists', gpus: [...stdout.matchAll(/^GPU \d+:/gm)].length }
  } catch (error) {
    const { stdout, killed } = error as { readonly stdout?: string; readonly killed?: boolean }
    if (killed) return { kind: 'fails', reason: `it said nothing within ${smiPatienceMs / 1_000} s` }
    return { kind: 'fails', reason: (stdout?.trim() || messageOf(error)).split('\n')[0] ?? '' }
  }
}

/** By a runtime of NVIDIA's, the hook that the engine looks for on its PATH, or a CDI specification. */
function givesGpus(info: EngineInfo, searchPath: readonly string[], root: string): boolean {
  if (info.Runtimes && 'nvidia' in info.Runtimes) return true
  if (findProgram('nvidia-container-runtime-hook', searchPath) !== undefined) return true
  return ['etc/cdi', 'var/run/cdi'].some((folder) => {
    const path = join(root, folder)
    return existsSync(path) && readdirSync(path).some((name) => name.startsWith('nvidia'))
  })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
