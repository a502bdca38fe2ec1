import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Api } from '../../../cli/api.js'
import { findInstaller } from '../../../cli/machines/installer.js'
import { clientSettings } from '../../../cli/settings.js'
import { parseList } from '../../../coordinator/downloads/archives.js'
import { installerScript } from '../../../coordinator/downloads/installers.js'
import { adminToken, startCluster } from '../../fixtures/coordinator.js'
import { ownWorld } from '../../fixtures/own-world.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const list = `${'a'.repeat(64)}  spell-node-1.0.0-linux-x64.tar.gz\n`
const script = installerScript('node.sh', parseList(list)) ?? ''

/** Two coordinators with these settings, and the API as the command line has it. */
async function connected(t: ExecutionContext, settings: Readonly<Record<string, unknown>>): Promise<Api> {
  const cluster = await startCluster({ coordinators: 2, settings })
  const { userAddress } = cluster.coordinators[0] ?? {}
  const api = new Api(ownWorld(clientSettings()), {
    contextName: undefined,
    addresses: userAddress === undefined ? [] : [userAddress],
    ca: cluster.ca,
    token: adminToken,
    config: { contexts: [] } as unknown as Api['login']['config'],
  })
  t.teardown(async () => {
    api.close()
    await cluster.stop()
  })
  return api
}

test('the installer is what coordinators serve, leading or not', async (t) => {
  const downloadDir = await temporaryFolder(t)
  const api = await connected(t, { downloadListen: '127.0.0.1:0', downloadDir })
  const none = await t.throwsAsync(findInstaller(api, 'node.sh'))
  t.regex(
    none?.message ?? '',
    /^No coordinator gives the installer node\.sh\. 127\.0\.0\.1:\d+(?:, 127\.0\.0\.1:\d+)?: There are no archives [^;]*\)\.$/,
  )
  await mkdir(downloadDir, { recursive: true })
  await writeFile(join(downloadDir, 'SHA256SUMS'), list)
  const found = await findInstaller(api, 'node.sh')
  t.is(found.sha256, createHash('sha256').update(script).digest('hex'))
  t.regex(found.addresses[0] ?? '', /^127\.0\.0\.1:\d+$/)
  const other = await t.throwsAsync(findInstaller(api, 'cli.sh'))
  t.regex(other?.message ?? '', /There is no archive for cli\.sh here; \/ says what there is\./)
})

test('where no coordinator serves archives the sentence names the settings', async (t) => {
  const api = await connected(t, {})
  await t.throwsAsync(findInstaller(api, 'node.sh'), {
    message:
      'No coordinator of this cluster serves the archives of spell: give one the settings downloadListen and downloadDir.',
  })
})
