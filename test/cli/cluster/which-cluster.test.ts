import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { addContext } from '../../../cli/config.js'
import { type Desk, desk } from '../support/spell.js'

const plan = {
  v: 1,
  name: 'lab',
  runtime: 'dummy',
  nodes: 1,
  coordinators: 1,
  dockerSocket: '/var/run/docker.sock',
  shares: [{ cpus: 1, memoryBytes: 1, gpuUuids: [] }],
  ports: { 'etcd.clients': 1, 'coordinator-1.users': 2 },
}

test('a cluster that is not named is that of the context, wherever its folder is', async (t) => {
  const here = await madeDesk(t)
  const dir = join(here.cwd, 'somewhere')
  mkdirSync(dir)
  writeFileSync(join(dir, 'cluster.json'), JSON.stringify(plan))
  const reach = { addresses: ['127.0.0.1:1'], ca: '', token: 'secret', userName: 'ada' }
  await addContext(here.directory, { ...reach, name: 'lab', dir })
  await addContext(here.directory, { ...reach, name: 'far' })
  const named = async (...args: readonly string[]) => await here.spell([...args, '--json'])
  t.is(JSON.parse((await named('cluster', 'status')).stdout).dir, dir)
  t.is(JSON.parse((await named('--context', 'lab', 'cluster', 'status')).stdout).dir, dir)
  const { code, stderr } = await named('cluster', 'status', '--context', 'far')
  t.is(code, 1)
  t.regex(stderr, /The context "far" leads to no cluster of this machine; use --dir\./)
})

test('the state of a cluster is what was asked for, as the table of its processes is', async (t) => {
  const here = await madeDesk(t)
  writeFileSync(join(here.cwd, 'cluster.json'), JSON.stringify(plan))
  const { stdout, stderr, code } = await here.spell(['cluster', 'status', '--dir', '.'])
  t.deepEqual([code, stderr], [0, ''])
  t.true(stdout.startsWith(`lab (${here.cwd}) is down; its runs execute in: dummy.\nROLE  `), stdout)
})

async function madeDesk(t: { teardown(action: () => void): void }): Promise<Desk> {
  const made = await desk()
  t.teardown(made.tidy)
  return made
}
