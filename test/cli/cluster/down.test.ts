import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { layoutOf } from '../../../cli/cluster/layout.js'
import { releaseLock, takeLock } from '../../../cli/cluster/lock.js'
import { authorityFile } from '../../../cli/cluster/trust.js'
import { fakeCoordinator } from '../support/fake-coordinator.js'
import { aRun } from '../support/runs.js'
import { type Desk, desk } from '../support/spell.js'

const question = /This kills a run that has not finished, and saves nothing of it: 7\. Continue\? \[Y\/n\]: $/

test('^C at the question of cluster down ends nothing but the command', async (t) => {
  const { onTerminal, dir } = await deskWithCluster(t)
  const down = onTerminal(['cluster', 'down', '--dir', dir])
  await down.until(question)
  down.type('\u0003')
  const { code, stdout } = await down.ended
  t.is(code, 1)
  t.true(stdout.endsWith('^C\r\nError: Aborted.\r\n'), stdout)
})

test('the end of input at the question of cluster down is a no', async (t) => {
  const { onTerminal, dir } = await deskWithCluster(t)
  const down = onTerminal(['cluster', 'down', '--dir', dir])
  await down.until(question)
  down.type('\u0004')
  const { code, stdout } = await down.ended
  t.is(code, 1)
  t.true(stdout.endsWith('\r\nError: Nothing was ended.\r\n'), stdout)
})

test('without a terminal cluster down asks nothing and names --yes', async (t) => {
  const { spell, dir } = await deskWithCluster(t)
  const { code, stderr } = await spell(['cluster', 'down', '--dir', dir])
  t.is(code, 1)
  t.is(
    stderr,
    'Error: This kills a run that has not finished, and saves nothing of it: 7. Use --yes to agree to that.\n',
  )
})

/** A desk, and the folder of a cluster with one active run; whatever would be killed is a call without an answer. */
async function deskWithCluster(t: ExecutionContext): Promise<Desk & { readonly dir: string }> {
  const coordinator = await fakeCoordinator({ 'Runs/List': () => ({ runs: [aRun(7, ['running'])] }) })
  const made = await desk()
  const dir = join(made.cwd, 'lab')
  const layout = layoutOf(dir)
  mkdirSync(layout.trustFolder, { recursive: true })
  writeFileSync(layout.adminTokenFile, 'secret\n')
  writeFileSync(authorityFile(layout), coordinator.ca)
  writeFileSync(layout.planFile, JSON.stringify(planWith(Number(coordinator.address.split(':')[1]))))
  takeLock(layout)
  t.teardown(async () => {
    releaseLock(layout)
    await coordinator.crash()
    made.tidy()
  })
  return { ...made, dir }
}

function planWith(port: number): object {
  return {
    v: 1,
    name: 'lab',
    runtime: 'dummy',
    nodes: 1,
    coordinators: 1,
    dockerSocket: '/var/run/docker.sock',
    shares: [{ cpus: 1, memoryBytes: 1, gpuUuids: [] }],
    ports: { 'etcd.clients': 1, 'coordinator-1.users': port },
  }
}
