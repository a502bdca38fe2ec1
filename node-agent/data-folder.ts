import { mkdir, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { RpcError } from '../common/errors.js'

/** Where an agent keeps everything; for one process at a time. */
export interface DataFolder {
  readonly attempts: string
  readonly journal: string
  readonly code: string
  readonly coordinators: string
  readonly userAddresses: string
  readonly heard: string
  readonly inventory: string
  readonly gpus: string
  /** Another process may have the folder from now on. Safe to call twice. */
  release(): void
}

/** Makes the folder where there is none. FAILED_PRECONDITION: another process has it. */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const attempts = join(folder, 'attempts')
  await mkdir(attempts, { recursive: true, mode: 0o711 })
  const { dev, ino } = await stat(folder)
  const lock = await hold(`\0spell-node-agent-${dev}-${ino}`, folder)
  return {
    attempts,
    journal: join(folder, 'journal'),
    code: join(folder, 'code'),
    coordinators: join(folder, 'coordinators.json'),
    userAddresses: join(folder, 'user-addresses.json'),
    heard: join(folder, 'heard.json'),
    inventory: join(folder, 'inventory.json'),
    gpus: join(folder, 'gpus.json'),
    release: () => lock.close(),
  }
}

/** An abstract Unix socket: the kernel lets one process have the name, and frees it when that ends, however it ends. */
function hold(name: string, folder: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const sentence =
        cause.code === 'EADDRINUSE'
          ? `Another node agent is running on ${folder}.`
          : `The folder ${folder} can not be locked: ${cause.message}.`
      reject(new RpcError('FAILED_PRECONDITION', sentence, { cause }))
    })
    server.listen(name, () => resolve(server.unref()))
  })
}
