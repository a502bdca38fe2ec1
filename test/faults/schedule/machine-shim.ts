import {
  copyFileSync,
  fstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import { dirname, join } from 'node:path'
import { systemClock } from '../../../common/clock.js'

// Loaded into an agent's process before the agent, by `--import`, with `?folder=…`: the machine below it, as far as a test
// has to be its master. The file `suspended` there says for how many seconds the machine was suspended since it started,
// which its uptime counts, and `slow` by how many milliseconds its disk is late. And of the journal's folder `synced` always
// has what a power cut would leave: the content of each file, by its inode, as it was when it was last synced, and in `names`
// those that the folder had when it was.

const folder = new URL(import.meta.url).searchParams.get('folder') ?? ''
const synced = join(folder, 'synced')
const journal = join(folder, 'data/journal')

const uptime = os.uptime
os.uptime = () => uptime() + Number(readFileSync(join(folder, 'suspended'), 'utf8'))
syncBuiltinESMExports()

const handle = await open('/dev/null')
const prototype = Object.getPrototypeOf(handle) as FileHandle
await handle.close()
const { sync, datasync } = prototype

prototype.datasync = async function (this: FileHandle) {
  await keepAround(this, () => datasync.call(this))
}
prototype.sync = async function (this: FileHandle) {
  await keepAround(this, () => sync.call(this))
}

/** What counts is what was written before the sync began. */
async function keepAround(file: FileHandle, syncing: () => Promise<void>): Promise<void> {
  const path = readlinkSync(`/proc/self/fd/${file.fd}`)
  if (path !== journal && dirname(path) !== journal) return await syncing()
  const inode = String(fstatSync(file.fd).ino)
  const copy = join(synced, `${inode}.${process.hrtime.bigint()}`)
  if (path === journal) writeFileSync(copy, JSON.stringify(namesIn(path)))
  else copyFileSync(`/proc/self/fd/${file.fd}`, copy)
  await syncing()
  // The disk has it when it says so, and a slow one says so late.
  const slowMs = Number(readFileSync(join(folder, 'slow'), 'utf8'))
  if (slowMs > 0) await systemClock.sleep(slowMs)
  renameSync(copy, join(synced, path === journal ? 'names' : inode))
}

function namesIn(path: string): Record<string, number> {
  return Object.fromEntries(readdirSync(path).map((name) => [name, statSync(join(path, name)).ino]))
}
