import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { identityOf, processesWith, signalProcess } from '../../cli/cluster/process-table.js'
import { startCluster, type TestCluster } from '../fixtures/cluster.js'
import { pauseProcess, resumeProcess } from '../fixtures/pause.js'

// What an administrator does with machines, typed, on real processes: each node takes one run at a time.

interface RunJson {
  readonly state: string
  readonly node: string | null
  readonly attempt: number
  readonly reason: string
  readonly notes: readonly string[]
  readonly saved_files: number
}

interface NodeJson {
  readonly name: string
  readonly connected: boolean
  readonly runs: readonly { readonly id: number }[]
}

async function threeNodes(t: ExecutionContext): Promise<TestCluster> {
  const words = ['--cpus', '2', '--memory', '512M']
  const cluster = await startCluster(t, { runtime: 'process', nodes: 3, words })
  await settle(cluster, { heartbeatIntervalMs: 250, suspectAfterMs: 2_000, lostAfterMs: 5_000 })
  await until<readonly NodeJson[]>(cluster, ['node', 'list'], (nodes) => nodes.every((one) => one.connected))
  return cluster
}

/** The coordinator, started anew with shorter times. */
async function settle(cluster: TestCluster, limits: object): Promise<void> {
  const file = join(cluster.dir, 'settings/coordinator-1.json')
  const settings = JSON.parse(await readFile(file, 'utf8')) as { limits?: object }
  await writeFile(file, JSON.stringify({ ...settings, limits: { ...settings.limits, ...limits } }))
  const { pid } = await cluster.process('coordinator-1')
  process.kill(pid ?? 0, 'SIGKILL')
  await cluster.restarted('coordinator-1', pid)
}

async function typed(t: ExecutionContext, cluster: TestCluster, ...words: string[]): Promise<string> {
  const said = await cluster.spell(words)
  t.is(said.code, 0, `${words.join(' ')}\n${said.stderr}`)
  return said.stdout
}

async function refused(t: ExecutionContext, cluster: TestCluster, ...words: string[]): Promise<string> {
  const said = await cluster.spell(words)
  t.is(said.code, 1, said.stdout)
  return said.stderr
}

/** Asks until it is so. */
async function until<T>(cluster: TestCluster, words: string[], holds: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const said = await cluster.spell([...words, '--json'])
    if (said.code !== 0) continue
    const answer = JSON.parse(said.stdout) as T
    if (holds(answer)) return answer
  }
}

const untilRun = (cluster: TestCluster, id: number, holds: (run: RunJson) => boolean) =>
  until<RunJson>(cluster, ['info', String(id)], holds)

const untilNode = (cluster: TestCluster, name: string, holds: (node: NodeJson) => boolean) =>
  until<NodeJson>(cluster, ['node', 'info', name], holds)

/** Its agent stands still; what it runs goes on. It goes on when the test ends, at the latest. */
async function silence(t: ExecutionContext, cluster: TestCluster, node: string): Promise<() => void> {
  const pid = (await cluster.process(node)).pid ?? 0
  await pauseProcess(pid)
  let silent = true
  const wake = () => {
    if (silent && identityOf(pid)) resumeProcess(pid)
    silent = false
  }
  t.teardown(wake)
  return wake
}

test.serial('a cordoned node gets no runs, a drained one lets go of those it has', async (t) => {
  const cluster = await threeNodes(t)
  t.regex(
    await typed(t, cluster, 'node', 'cordon', 'node-1', '--reason', 'new disk'),
    /^Node node-1 gets no new runs/,
  )
  t.regex(await typed(t, cluster, 'node', 'list'), /^node-1 +connected, cordoned /m)
  await typed(t, cluster, 'run', '-b', '-f', 'echo kept > kept; sleep 600')
  t.is((await untilRun(cluster, 1, ({ state }) => state === 'running')).node, 'node-2')
  await typed(t, cluster, 'node', 'cordon', 'node-3')
  await typed(t, cluster, 'run', '-b', '-f', 'echo waited')
  const why = (await untilRun(cluster, 2, ({ reason }) => reason !== '')).reason
  t.regex(why, /node-2 has too few cores free; it starts when run 1 ends/)
  const drained = await cluster.spell(['node', 'drain', 'node-2', '--stop'])
  t.is(drained.code, 0, drained.stderr)
  t.regex(drained.stderr, /^Waiting for what is on node-2: run 1 \(stopping\)$/m)
  t.regex(drained.stdout, /^Node node-2 is drained: nothing runs there\./)
  const stopped = await untilRun(cluster, 1, ({ state }) => state === 'stopped')
  t.like(stopped, { saved_files: 1 })
  t.regex(stopped.reason, /^Its machine node-2 was drained by /)
  t.regex(
    (await untilRun(cluster, 2, ({ reason }) => !/too few/.test(reason))).reason,
    /^Every node that could give a CPU machine gets no new runs: node-1 is cordoned by \S+ \(new disk\), node-2 is drained/,
  )
  await typed(t, cluster, 'node', 'uncordon', 'node-1')
  t.is((await untilRun(cluster, 2, ({ state }) => state === 'complete')).node, 'node-1')
})

test.serial('a run with --auto-resume is repeated elsewhere when its machine is gone', async (t) => {
  const cluster = await threeNodes(t)
  const mark = `600.${process.pid}${Date.now()}`
  await typed(t, cluster, 'run', '-b', '-f', '--auto-resume', `echo attempt; sleep ${mark}`)
  const first = await untilRun(cluster, 1, ({ state }) => state === 'running')
  const gone = first.node ?? ''
  while (processesWith(mark).length === 0) await cluster.status()
  const wake = await silence(t, cluster, gone)
  for (const one of processesWith(mark)) signalProcess(one, 'SIGKILL')
  const second = await untilRun(cluster, 1, ({ state, attempt }) => attempt === 2 && state === 'running')
  t.not(second.node, gone)
  t.regex(second.notes.join(), /^attempt 1 was lost: Its machine node-\d was not heard for/)
  const info = await typed(t, cluster, 'info', '1')
  t.regex(info, /^Attempt +2$/m)
  t.regex(info, /^Resumed +attempt 1 was lost: /m)
  t.regex(info, /^Auto Resume +on$/m)
  while (processesWith(mark).length === 0) await cluster.status()
  const logged = await cluster.spell(['logs', '1', '--raw'])
  t.is(logged.stdout, 'attempt\n')
  wake()
  await untilNode(cluster, gone, ({ connected, runs }) => connected && runs.length === 0)
  t.like(await untilRun(cluster, 1, () => true), { state: 'running', attempt: 2, node: second.node })
  t.is(processesWith(mark).length > 0, true)
  await typed(t, cluster, 'kill', '1')
})

test.serial(
  'a lost node: its run is interrupted at once, its late outputs are taken in, and it is out',
  async (t) => {
    const cluster = await threeNodes(t)
    t.regex(await refused(t, cluster, 'node', 'remove', 'node-1'), /node-1 is connected\. Drain it/)
    await typed(t, cluster, 'run', '-b', '-f', 'echo late > late; sleep 600')
    const { node } = await untilRun(cluster, 1, ({ state }) => state === 'running')
    const name = node ?? ''
    const wake = await silence(t, cluster, name)
    await until<readonly NodeJson[]>(cluster, ['node', 'list'], (nodes) =>
      nodes.some((one) => one.name === name && !one.connected),
    )
    t.regex(await refused(t, cluster, 'node', 'remove', name), /is away and has runs: 1\. .*--lost/)
    t.is(
      await typed(t, cluster, 'node', 'remove', name, '--lost'),
      `Node ${name} is removed. Interrupted: 1.\n`,
    )
    const interrupted = await untilRun(cluster, 1, () => true)
    t.is(interrupted.state, 'interrupted')
    t.regex(interrupted.reason, new RegExp(`^Its machine ${name} was given up by `))
    t.regex(await typed(t, cluster, 'node', 'list', '--all'), new RegExp(`^${name} +given up`, 'm'))
    wake()
    const late = await untilRun(cluster, 1, ({ notes }) => notes.length > 0)
    t.like(late, { state: 'interrupted', saved_files: 1 })
    t.deepEqual(late.notes, ['outputs arrived after the run was interrupted'])
    await until<readonly NodeJson[]>(cluster, ['node', 'list', '--all'], (nodes) => nodes.length === 2)
    t.regex(await refused(t, cluster, 'node', 'info', name), /There is no node/)
  },
)

test.serial('made types: runs ask for them, wait for their limit and labels, and say so', async (t) => {
  const cluster = await startCluster(t, { runtime: 'process', nodes: 2, words: ['--cpus', '4'] })
  const type = (...words: string[]) => typed(t, cluster, 'cluster', 'machine-type', ...words)
  await type(
    'add',
    '--name',
    'Small Box',
    '--cpus',
    '1',
    '--memory',
    '64M',
    '--limit',
    '1',
    '--label',
    'fast',
  )
  t.regex(
    await refused(t, cluster, 'cluster', 'machine-type', 'add', '--name', 'cpu'),
    /The name cpu is taken/,
  )
  await typed(t, cluster, 'run', '-b', '-f', '-t', 'smallbox', 'sleep 600')
  t.regex(
    (await untilRun(cluster, 1, ({ reason }) => reason !== '')).reason,
    /node-1 lacks the label fast, node-2 lacks the label fast; it starts when one gets it/,
  )
  await typed(t, cluster, 'node', 'label', 'node-2', 'fast')
  t.is((await untilRun(cluster, 1, ({ state }) => state === 'running')).node, 'node-2')
  await typed(t, cluster, 'run', '-b', '-f', '-t', 'small-box', 'echo second')
  t.regex(
    (await untilRun(cluster, 2, ({ reason }) => reason !== '')).reason,
    /^Waiting for a Small Box machine: no more than 1 may be used at once; it starts when run 1 ends$/,
  )
  t.regex(await type('list'), /^Small Box +- +1 +64M +1 +0 +1 of 1 +fast$/m)
  t.regex(
    await refused(t, cluster, 'cluster', 'machine-type', 'delete', 'smallbox'),
    /have not ended: 1, 2\./,
  )
  await type('scale', 'smallbox', '2')
  t.is((await untilRun(cluster, 2, ({ state }) => state === 'complete')).node, 'node-2')
  await typed(t, cluster, 'kill', '1')
  await untilRun(cluster, 1, ({ state }) => state === 'killed')
  t.is(await type('delete', 'smallbox'), 'Machine type Small Box is deleted.\n')
  t.regex(
    await refused(t, cluster, 'run', '-b', '-f', '-t', 'smallbox', 'true'),
    /no machine type "smallbox"/,
  )
})
