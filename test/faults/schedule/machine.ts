import { randomUUID } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../common/clock.js'
import { Program } from '../support/program.js'

export interface MachineChoice {
  readonly name: string
  readonly folder: string
  /** The agent's, but for its name and folder. */
  readonly settings: object
  readonly gpuUuids: readonly string[]
}

/**
 * A node with a boot id, an uptime and a disk of its own: an agent in a mount namespace, with the shim loaded before it.
 * Its runs are processes whose working directory lies in its folder, which is how all of them are found.
 */
export class Machine {
  readonly name: string
  readonly agent: Program
  readonly gpuUuids: readonly string[]
  readonly #folder: string
  readonly #bootFile: string
  #suspendedMs = 0

  constructor({ name, folder: above, settings, gpuUuids }: MachineChoice) {
    const folder = join(above, name)
    this.name = name
    this.gpuUuids = gpuUuids
    this.#folder = folder
    this.#bootFile = join(folder, 'boot')
    mkdirSync(join(folder, 'synced'), { recursive: true })
    mkdirSync(join(folder, 'data'), { mode: 0o700 })
    this.#writeBoot()
    this.#writeSuspended()
    this.slowDisk(0)
    const shim = new URL(`machine-shim.js?folder=${encodeURIComponent(folder)}`, import.meta.url)
    const script = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
    this.agent = new Program({
      ...{ program: 'node-agent', name, folder },
      around: ['unshare', '--mount', '--propagation=private', 'sh', '-c', script, this.#bootFile],
      nodeWords: ['--import', shim.href],
      settings: {
        ...{ name, dataDir: this.dataDir, nvidiaSmi: writeSmi(folder, gpuUuids) },
        ...settings,
      },
    })
  }

  get dataDir(): string {
    return join(this.#folder, 'data')
  }

  get bootId(): string {
    return readFileSync(this.#bootFile, 'utf8').trim()
  }

  /** Processes of runs, supervisors included, by the attempt they belong to. */
  processes(): ReadonlyMap<string, readonly number[]> {
    const found = new Map<string, number[]>()
    const attempts = join(this.dataDir, 'attempts')
    for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
      const place = workingDirectory(pid)
      if (!place?.startsWith(`${attempts}/`)) continue
      const key = place.slice(attempts.length + 1).split('/')[0] ?? ''
      found.set(key, [...(found.get(key) ?? []), pid])
    }
    return found
  }

  /** All that runs is gone at once, and of the journal is left what was synced. The agent does not run when it resolves. */
  async cutPower(): Promise<void> {
    await this.agent.signal('SIGKILL')
    await this.#killAll()
    this.#loseUnsynced()
    this.#writeBoot()
    this.#suspendedMs = 0
    this.#writeSuspended()
  }

  /** From now on, as if it had slept for so much longer than the test did. */
  addSuspend(ms: number): void {
    this.#suspendedMs += ms
    this.#writeSuspended()
  }

  /** Whatever the journal syncs takes so much longer from now on. */
  slowDisk(ms: number): void {
    writeFileSync(join(this.#folder, 'slow'), String(ms))
  }

  /** Nothing of it is left. */
  async stop(): Promise<void> {
    await this.agent.signal('SIGKILL')
    await this.#killAll()
  }

  async #killAll(): Promise<void> {
    for (let left = this.processes(); left.size > 0; left = this.processes()) {
      for (const pid of [...left.values()].flat()) kill(pid)
      await systemClock.sleep(5)
    }
  }

  #loseUnsynced(): void {
    const [journal, synced] = [join(this.dataDir, 'journal'), join(this.#folder, 'synced')]
    if (!existsSync(join(synced, 'names'))) return
    const names = JSON.parse(readFileSync(join(synced, 'names'), 'utf8')) as Record<string, number>
    rmSync(journal, { recursive: true })
    mkdirSync(journal)
    for (const [name, inode] of Object.entries(names)) {
      const copy = join(synced, String(inode))
      if (existsSync(copy)) copyFileSync(copy, join(journal, name))
      else writeFileSync(join(journal, name), '')
    }
    for (const name of readdirSync(synced)) rmSync(join(synced, name))
    // What is there now is what the disk has.
    const found = readdirSync(journal).map((name) => [name, statSync(join(journal, name)).ino] as const)
    for (const [name, inode] of found) copyFileSync(join(journal, name), join(synced, String(inode)))
    writeFileSync(join(synced, 'names'), JSON.stringify(Object.fromEntries(found)))
  }

  #writeBoot(): void {
    writeFileSync(this.#bootFile, `${randomUUID()}\n`)
  }

  #writeSuspended(): void {
    writeFileSync(join(this.#folder, 'suspended'), String(this.#suspendedMs / 1000))
  }
}

function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '')
  } catch {
    return undefined
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** A stand-in that answers as a machine with these GPUs does, or with none. */
function writeSmi(folder: string, uuids: readonly string[]): string {
  const gpus = uuids.map(
    (uuid) =>
      `<gpu id="${uuid}"><product_name>Tesla T4</product_name><uuid>${uuid}</uuid>` +
      '<fb_memory_usage><total>15109 MiB</total></fb_memory_usage></gpu>',
  )
  const report = `<?xml version="1.0" ?>\n<nvidia_smi_log>${gpus.join('\n')}</nvidia_smi_log>\n`
  writeFileSync(join(folder, 'gpus.xml'), report)
  const script = join(folder, 'nvidia-smi')
  writeFileSync(script, `#!/bin/sh\nexec cat ${join(folder, 'gpus.xml')}\n`, { mode: 0o755 })
  return script
}
