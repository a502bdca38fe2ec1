import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../../common/clock.js'
import { RpcError } from '../../../common/errors.js'
import { DirectoryLogStore, defaultLogStoreSettings } from '../../../coordinator/logs/directory-log-store.js'
import {
  logStoreContract,
  type OpenedLogs,
  type OpenLogsOptions,
} from '../../contracts/log-store-contract.js'
import { folderIsThere } from '../../fixtures/home.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const id = { runId: 1234, attempt: 1 }

for (const [title, check] of Object.entries(logStoreContract)) test(title, (t) => check(t, makeLogs))

test('what another leader has written meanwhile is seen after forgetting', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await logs.write(id, 0, Buffer.from('mine'))
  await writeFile(join(directory, '1/1234.1.log'), 'mine and theirs')
  await logs.forget()
  t.is(await logs.length(id), 15)
})

test('a store that goes away right after it was looked at is not made anew where it was', async (t) => {
  const folder = await temporaryFolder(t)
  const store = join(folder, 'store')
  await mkdir(join(store, '.spell'), { recursive: true })
  const logs = new DirectoryLogStore(
    { ...defaultLogStoreSettings, groupMs: 1, directory: join(store, '.spell/logs') },
    { clock: systemClock, checkPresent: () => rename(store, `${store}-away`) },
  )
  t.teardown(() => logs.close())
  const error = await t.throwsAsync(logs.write(id, 0, Buffer.from('abc')), { instanceOf: RpcError })
  t.is(error?.code, 'UNAVAILABLE')
  t.deepEqual(await readdir(folder), ['store-away'])
})

async function makeLogs(t: ExecutionContext, options: OpenLogsOptions = {}): Promise<OpenedLogs> {
  const directory = options.directory ?? join(await temporaryFolder(t), 'logs')
  await mkdir(directory)
  const open = () => {
    const logs = new DirectoryLogStore(
      { ...defaultLogStoreSettings, groupMs: 1, directory, ...options.settings },
      { clock: systemClock, checkPresent: () => folderIsThere(directory) },
    )
    t.teardown(() => logs.close())
    return logs
  }
  return { logs: open(), directory, reopen: async () => open() }
}
