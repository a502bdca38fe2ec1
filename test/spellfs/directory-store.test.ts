import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../common/clock.js'
import { DirectoryStore } from '../../spellfs/directory-store.js'
import { markDirectoryStore } from '../../spellfs/store-mark.js'
import {
  type OpenedStore,
  type OpenOptions,
  objectStoreContract,
  read,
  refused,
} from '../contracts/object-store-contract.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

for (const [title, check] of Object.entries(objectStoreContract)) test(title, (t) => check(t, makeStore))

test('what a deletion was killed in is removed a day later', async (t) => {
  const { directory } = await makeStore(t)
  await mkdir(join(directory, '.spell/temporary/half/folder'), { recursive: true })
  const later = { ...systemClock, now: () => Date.now() + 25 * 3600 * 1000 }
  await new DirectoryStore({ directory, cluster: 'test' }, later).removeLeftovers()
  t.deepEqual(await readdir(join(directory, '.spell/temporary')), [])
})

test('its own failures are counted, not those of what was asked', async (t) => {
  const { directory } = await makeStore(t)
  let failures = 0
  const clock = { ...systemClock, monotonic: () => 0 }
  const store = new DirectoryStore({ directory, cluster: 'test' }, clock, () => {
    failures += 1
  })
  await store.put('x', Buffer.from('x'))
  await refused(t, read(store, 'y'), 'NOT_FOUND')
  await refused(t, store.put('x/y', Buffer.from('y')), 'ABORTED')
  await refused(t, store.put('z', Buffer.from('z'), { maxBytes: 0 }), 'RESOURCE_EXHAUSTED')
  t.is(failures, 0)
  await rename(directory, `${directory}-away`)
  await refused(t, read(store, 'x'), 'UNAVAILABLE')
  await refused(t, store.put('folder/y', Buffer.from('y')), 'UNAVAILABLE')
  t.is(failures, 2)
})

test("another cluster's store and a folder of something else are refused", async (t) => {
  const { directory } = await makeStore(t)
  await refused(t, markDirectoryStore(directory, 'other'), 'FAILED_PRECONDITION')
  await markDirectoryStore(directory, 'test')
  const store = new DirectoryStore({ directory, cluster: 'other' }, systemClock)
  await refused(t, store.put('x', Buffer.from('x')), 'UNAVAILABLE')
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'thesis.tex'), '')
  await refused(t, markDirectoryStore(folder, 'test'), 'FAILED_PRECONDITION')
})

const killed = test.macro<[string]>({
  async exec(t, line) {
    const { store, directory } = await makeStore(t)
    const script = new URL('../fixtures/putting-process.js', import.meta.url).pathname
    const child = spawn(process.execPath, [script, directory, '40'], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => child.kill('SIGKILL'))
    for await (const printed of createInterface({ input: child.stdout })) if (printed === line) break
    child.kill('SIGKILL')
    await once(child, 'exit')
    const bytes = await read(store, 'folder/big')
    t.is(bytes.length, 4_000_000)
    t.true(bytes.every((byte) => byte === bytes[0]))
  },
  title: (_, line) => `killed at piece ${line} of a put, the object is the old or the new one, whole`,
})

for (const line of ['2 1', '2 20', '3 40', '4 2']) test(killed, line)

async function makeStore(t: ExecutionContext, options: OpenOptions = {}): Promise<OpenedStore> {
  const directory = options.directory ?? join(await temporaryFolder(t), 'store')
  await markDirectoryStore(directory, 'test')
  const clock = { ...systemClock, ...(options.monotonic && { monotonic: options.monotonic }) }
  const open = () => new DirectoryStore({ directory, cluster: 'test' }, clock)
  return { store: open(), other: open(), directory }
}
