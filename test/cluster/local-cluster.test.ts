import { once } from 'node:events'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import { identityOf, processesWith } from '../../cli/cluster/process-table.js'
import { startCluster, type TestCluster } from '../fixtures/cluster.js'

const roles = (cluster: Awaited<ReturnType<TestCluster['status']>>) =>
  cluster.processes.map((one) => one.role)

test.serial(
  'a cluster comes up, takes a run, shows its log, and goes down leaving nothing running',
  async (t) => {
    const cluster = await startCluster(t, { runtime: 'process' })
    const run = await cluster.spell(['run', '-f', 'echo hello from $SPELL_RUN'])
    t.is(run.code, 0, run.stderr)
    t.regex(run.stdout, /Casting spell #1/)
    t.regex(run.stdout, /^hello from 1$/m)
    t.is((await cluster.spell(['logs', '1'])).stdout.includes('hello from 1\n'), true)
    const before = await cluster.status()
    t.is(before.state, 'up')
    t.deepEqual(roles(before), ['supervisor', 'etcd', 'coordinator', 'node-agent'])
    t.deepEqual(
      before.processes.filter((one) => one.leader).map((one) => one.name),
      ['coordinator-1'],
    )
    t.is((await cluster.spell(['cluster', 'down', '--dir', cluster.dir])).code, 0)
    for (const { pid } of before.processes) t.is(identityOf(pid ?? 0), undefined)
    t.is((await cluster.status()).state, 'down')
  },
)

test.serial('brought up again it is the same cluster, with its ids, addresses and logs', async (t) => {
  const cluster = await startCluster(t, { runtime: 'dummy' })
  await cluster.spell(['run', '-f', 'echo one'])
  const address = (await cluster.process('coordinator-1')).address
  const down = await cluster.spell(['cluster', 'down', '--json', '--dir', cluster.dir])
  t.deepEqual(JSON.parse(down.stdout), { name: 'cluster', dir: cluster.dir })
  const up = await cluster.up(['--json'])
  t.deepEqual(JSON.parse(up.stdout), {
    ...{ name: 'cluster', dir: cluster.dir, runtime: 'dummy', addresses: [address], current: true },
  })
  t.is((await cluster.process('coordinator-1')).address, address)
  t.regex((await cluster.spell(['run', '-f', 'echo two'])).stdout, /Casting spell #2/)
  t.regex((await cluster.spell(['logs', '1'])).stdout, /^one$/m)
})

test.serial('a second up on a folder in use is refused with a sentence that says what to do', async (t) => {
  const cluster = await startCluster(t, { runtime: 'dummy' })
  const second = await cluster.up()
  t.is(second.code, 1)
  t.regex(second.stderr, /is in use.*spell cluster down --dir/s)
  t.is((await cluster.status()).state, 'up')
})

test.serial('the supervisor killed, a run goes on, and the next up takes over every process', async (t) => {
  const cluster = await startCluster(t, { runtime: 'process' })
  const command = 'mkfifo gate && echo begun && read -r line < gate && echo "$line"'
  const follower = cluster.start(['run', '-f', command])
  const closed = once(follower, 'close')
  t.true(await untilPrinted(follower, /^begun$/))
  const before = await cluster.status()
  process.kill((await cluster.process('supervisor')).pid ?? 0, 'SIGKILL')
  t.is((await cluster.up()).code, 0)
  const after = await cluster.status()
  t.deepEqual(after.processes.slice(1), before.processes.slice(1))
  t.not(after.processes[0]?.pid, before.processes[0]?.pid)
  await writeFile(join(cluster.dir, 'data/node-1/attempts/1.1/spell/gate'), 'through the gate\n')
  t.deepEqual(await closed, [0, null])
  t.regex((await cluster.spell(['logs', '1'])).stdout, /^through the gate$/m)
})

for (const name of ['coordinator-1', 'node-1', 'etcd']) {
  test.serial(`${name} killed, it is started again, and the cluster takes runs`, async (t) => {
    const cluster = await startCluster(t, { runtime: 'dummy' })
    const { pid } = await cluster.process(name)
    process.kill(pid ?? 0, 'SIGKILL')
    const again = await cluster.restarted(name, pid)
    t.is(again.restarts, 1)
    t.regex((await cluster.spell(['run', '-f', 'echo still here'])).stdout, /^still here$/m)
  })
}

test.serial('several coordinators and nodes: one leads, each node offers its share', async (t) => {
  const cluster = await startCluster(t, {
    runtime: 'dummy',
    nodes: 3,
    coordinators: 2,
    words: ['--cpus', '64', '--memory', '256G'],
  })
  const { processes } = await cluster.status()
  t.is(processes.filter((one) => one.role === 'coordinator').length, 2)
  t.is(processes.filter((one) => one.role === 'node-agent').length, 3)
  t.is(processes.filter((one) => one.leader).length, 1)
})

test.serial(
  'down names the runs that it would end, and without a terminal ends them only with --yes',
  async (t) => {
    const seconds = `${process.pid}${Date.now()}`
    const cluster = await startCluster(t, { runtime: 'process' })
    t.is((await cluster.spell(['run', '-b', '-f', `sleep ${seconds}`])).code, 0)
    const asked = await cluster.spell(['cluster', 'down', '--dir', cluster.dir])
    t.is(asked.code, 1)
    t.regex(asked.stderr, /saves nothing of it: 1\..*--yes/s)
    t.is((await cluster.status()).state, 'up')
    const agreed = await cluster.spell(['cluster', 'down', '--yes', '--dir', cluster.dir])
    t.is(agreed.code, 0, agreed.stderr)
    t.deepEqual(processesWith(seconds), [])
  },
)

test.serial(
  'two clusters live side by side, and the second does not take the login of the first',
  async (t) => {
    const cluster = await startCluster(t, { runtime: 'dummy' })
    const other = join(cluster.dir, '../other')
    await mkdir(other)
    t.teardown(() => cluster.spell(['cluster', 'down', '--yes', '--dir', other]))
    const up = await cluster.spell(['cluster', 'up', '--detach', '--runtime', 'dummy', '--dir', other])
    t.is(up.code, 0, up.stderr)
    t.regex(up.stderr, /the current one stays what it was/)
    await cluster.spell(['run', '-b', '-f', 'echo here'])
    t.regex(
      (await cluster.spell(['--context', 'other', 'run', '-b', '-f', 'echo there'])).stdout,
      /Casting spell #1/,
    )
  },
)

test.serial('who logs out of the cluster gets in again, and its own commands go on', async (t) => {
  const cluster = await startCluster(t, { runtime: 'dummy' })
  const out = await cluster.spell(['logout'])
  t.is(out.code, 0)
  t.regex(out.stderr, /The token stays valid.*"spell cluster up --dir .*" brings the login back/s)
  t.is((await cluster.spell(['ps'])).code, 1)
  t.is((await cluster.status()).state, 'up')
  const up = await cluster.up()
  t.regex(up.stderr, /You are logged in to cluster again/)
  t.is(up.code, 0)
  t.is((await cluster.up()).code, 1, 'it is up, and there is nothing to do')
  t.regex((await cluster.spell(['run', '-f', 'echo back'])).stdout, /^back$/m)
})

test.serial('keys and tokens are readable by their owner alone', async (t) => {
  const cluster = await startCluster(t, { runtime: 'dummy' })
  for (const name of ['ca-key.pem', 'etcd-key.pem', 'coordinator-1-key.pem', 'node-1-key.pem', 'admin-token'])
    t.is((await stat(join(cluster.dir, 'trust', name))).mode & 0o777, 0o600, name)
  t.is((await stat(join(cluster.spellDir, 'config'))).mode & 0o777, 0o600)
  t.false(
    (await readFile(join(cluster.dir, 'settings/coordinator-1.json'), 'utf8')).includes(await token(cluster)),
  )
})

async function token(cluster: TestCluster): Promise<string> {
  return (await readFile(join(cluster.dir, 'trust/admin-token'), 'utf8')).trim()
}

async function untilPrinted(child: ReturnType<TestCluster['start']>, pattern: RegExp): Promise<boolean> {
  if (!child.stdout) return false
  for await (const line of createInterface({ input: child.stdout })) {
    if (!pattern.test(line)) continue
    // What comes after is nobody's, but a child ends only when it has been read.
    child.stdout.resume()
    return true
  }
  return false
}
