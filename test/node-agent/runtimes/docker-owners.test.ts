import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { DockerEngine } from '../../../node-agent/runtimes/docker-engine.js'
import { changeOwner } from '../../../node-agent/runtimes/docker-owners.js'
import { findStaticBusybox } from '../../../node-agent/runtimes/static-busybox.js'
import { findEngine, noDockerHere } from '../../fixtures/docker.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const reason = await noDockerHere()
test('a container gives files to another owner, and says so when it can not', async (t) => {
  if (reason !== undefined) return t.fail(reason)
  const fixture = await findEngine()
  t.teardown(() => fixture.stop())
  const engine = new DockerEngine(fixture)
  const container = { busybox: findStaticBusybox(undefined) ?? '', network: 'none', processLimit: 100 }
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'f'), 'x')
  await changeOwner(engine, folder, { uid: 1234, gid: 1234 }, container)
  t.is((await stat(join(folder, 'f'))).uid, 1234)
  const nobodyHas = { uid: 2 ** 40, gid: 1 }
  await t.throwsAsync(changeOwner(engine, folder, nobodyHas, container), { code: 'FAILED_PRECONDITION' })
})
