import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { keepInventory, keptInventory } from '../../node-agent/kept-inventory.js'
import { findEngine, noDockerHere } from '../fixtures/docker.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'
import { makeNode } from './fixtures/node.js'

const reason = await noDockerHere()

for (const away of ['gone', 'silent'] as const)
  test(`an agent that is started while the engine is ${away} is linked at once, as what it was`, async (t) => {
    if (reason !== undefined) return t.fail(reason)
    const engine = await findEngine()
    t.teardown(() => engine.stop())
    const { socketPath } = engine
    const { leader, agent, folder } = await makeNode(t, { runtime: 'docker', docker: { socketPath } })
    agent.start()
    await leader.until(() => leader.hellos.length >= 1)
    await agent.stop()
    const elsewhere = join(folder, 'engine.sock')
    if (away === 'silent') {
      const sockets: Socket[] = []
      const server = createServer((socket) => sockets.push(socket)).listen(elsewhere)
      t.teardown(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
    }
    agent.start({ docker: { socketPath: elsewhere } })
    await leader.until(() => leader.hellos.length >= 2)
    const [before, after] = leader.hellos.map(({ inventory }) => inventory)
    t.deepEqual({ ...after, warnings: [], diskFreeBytes: 0 }, { ...before, warnings: [], diskFreeBytes: 0 })
    t.regex(after?.warnings.at(-1) ?? '', /^The docker runtime does not answer: /)
    await agent.stop()
    agent.start()
    await leader.until(() => leader.hellos.length >= 3)
    t.deepEqual(leader.hellos.at(-1)?.inventory.warnings, before?.warnings)
  })

test('what another runtime has said counts for nothing, nor what is damaged', async (t) => {
  const file = join(await temporaryFolder(t), 'inventory.json')
  t.is(await keptInventory(file, 'docker'), undefined)
  const inventory = {
    ...{ runtime: 'docker', runtimeVersion: '29', cpus: 2, memoryBytes: 1, diskFreeBytes: 1 },
    ...{ gpus: [], warnings: [] },
  } as const
  await keepInventory(file, inventory)
  t.deepEqual(await keptInventory(file, 'docker'), inventory)
  t.is(await keptInventory(file, 'process'), undefined)
})
