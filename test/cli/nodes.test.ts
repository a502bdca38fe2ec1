import test from 'ava'
import { RpcError } from '../../common/errors.js'
import { loggedIn } from './support/logged-in.js'

const node = {
  id: 'node-1',
  name: 'gpu-1',
  connected: true,
  runtime: 'docker',
  cpus: 16,
  memoryBytes: 64 * 1024 ** 3,
  gpus: [
    { uuid: 'GPU-a', model: 'Tesla T4', memoryBytes: 15 * 1024 ** 3, heldByRunId: 7 },
    { uuid: 'GPU-b', model: 'Tesla T4', memoryBytes: 15 * 1024 ** 3, unusableReason: 'needs a reset' },
    { uuid: 'GPU-c', model: 'Tesla T4', memoryBytes: 15 * 1024 ** 3 },
  ],
  runIds: [7],
  warnings: ['live-restore is off'],
  version: '0.1.0',
}
const cordon = { reason: 'disk swap', by: 'root', atMs: 1_700_000_000_000, kind: 'CORDON_BY_PERSON' }
const run = {
  runId: 7,
  attempt: 2,
  state: 'RUNNING',
  creator: 'ann',
  current: true,
  holds: true,
  machineType: 'T4',
}
const details = (changes: object = {}) => ({
  node: { ...node, ...changes },
  machineId: 'abc',
  bootId: 'def',
  runtimeVersion: '27.1',
  diskFreeBytes: 1024 ** 4,
  cpusFree: 10,
  memoryFreeBytes: 32 * 1024 ** 3,
  cpusForCpuRuns: 4,
  memoryForCpuRunsBytes: 16 * 1024 ** 3,
  runs: [run],
  machineTypes: ['CPU', 'T4', 'T4x2'],
})

test('node list shows who is cordoned, draining or given up', async (t) => {
  const { spell } = await loggedIn(t, {
    'Cluster/ListNodes': () => ({
      nodes: [
        node,
        { ...node, name: 'gpu-2', cordon, connected: false, lastHeardMs: 240_000 },
        { ...node, name: 'gpu-3', cordon: { ...cordon, kind: 'CORDON_DRAIN' } },
        { ...node, name: 'gpu-4', givenUp: true },
      ],
    }),
  })
  const listed = (await spell(['node', 'list'])).stdout
  t.regex(listed, /^gpu-1 +connected +docker +16 +64G +3 x Tesla T4 +1 +7$/m)
  t.regex(listed, /^gpu-2 +unreachable for 4m0s, cordoned /m)
  t.regex(listed, /^gpu-3 +connected, draining /m)
  t.false(listed.includes('gpu-4'))
  t.regex((await spell(['node', 'list', '--all'])).stdout, /^gpu-4 +given up /m)
})

test('node info shows everything that is known', async (t) => {
  const { spell } = await loggedIn(t, { 'Nodes/Get': () => details({ cordon, labels: ['fast-disk'] }) })
  const shown = (await spell(['node', 'info', 'gpu-1'])).stdout
  for (const line of [
    /^State +connected, cordoned$/m,
    /^Cordon +cordoned by root at 2023-11-1\d \d\d:\d\d:\d\d: disk swap$/m,
    /^Runtime +docker 27.1$/m,
    /^CPUs +16 \(10 free; 4 for runs without GPUs\)$/m,
    /^GPU +GPU-a {2}Tesla T4, 15G: held by run 7$/m,
    /^ +GPU-b {2}Tesla T4, 15G: not offered: needs a reset$/m,
    /^ +GPU-c {2}Tesla T4, 15G: free$/m,
    /^Run +7 \(T4, ann, attempt 2\): running$/m,
    /^Machine Types +CPU, T4, T4x2$/m,
    /^Labels +fast-disk$/m,
    /^Warning +live-restore is off$/m,
  ])
    t.regex(shown, line)
  const json = JSON.parse((await spell(['node', 'info', 'gpu-1', '--json'])).stdout)
  t.like(json, { name: 'gpu-1', machine_id: 'abc', cordon: { kind: 'person', by: 'root' } })
  t.like(json.runs[0], { id: 7, attempt: 2, state: 'running' })
})

test('cordon and uncordon say what follows', async (t) => {
  const { spell, coordinator } = await loggedIn(t, {
    'Nodes/Cordon': () => details({ cordon }),
    'Nodes/Uncordon': () => details(),
  })
  t.is(
    (await spell(['node', 'cordon', 'gpu-1', '--reason', 'disk swap'])).stdout,
    'Node gpu-1 gets no new runs until "spell node uncordon gpu-1". What is there goes on: run 7 (running).\n',
  )
  t.deepEqual(coordinator.requestsOf('Nodes/Cordon'), [{ name: 'gpu-1', reason: 'disk swap' }])
  t.is((await spell(['node', 'uncordon', 'gpu-1'])).stdout, 'Node gpu-1 gets runs again.\n')
})

test('drain waits until nothing is left, saying what is still there', async (t) => {
  let asked = 0
  const { spell, coordinator } = await loggedIn(t, {
    'Nodes/Drain': () => details(),
    'Nodes/Get': () => ({ ...details(), runs: ++asked > 1 ? [] : [{ ...run, state: 'SAVING' }] }),
  })
  const drained = await spell(['node', 'drain', 'gpu-1', '--stop'])
  t.is(
    drained.stderr,
    'Waiting for what is on gpu-1: run 7 (running)\nWaiting for what is on gpu-1: run 7 (saving)\n',
  )
  t.is(
    drained.stdout,
    'Node gpu-1 is drained: nothing runs there. "spell node uncordon gpu-1" gives it runs again.\n',
  )
  t.like(coordinator.requestsOf<object>('Nodes/Drain')[0], { name: 'gpu-1', stop: true })
})

test('drain that takes too long says what is left', async (t) => {
  const { spell } = await loggedIn(t, { 'Nodes/Drain': () => details(), 'Nodes/Get': () => details() })
  const drained = await spell(['node', 'drain', 'gpu-1', '--timeout', '0.01s'])
  t.is(drained.code, 1)
  t.regex(drained.stderr, /Node gpu-1 gets no new runs, but is not empty yet: run 7 \(running\)\.$/m)
})

test('remove names what became of the runs, and passes a refusal on', async (t) => {
  const { spell, coordinator } = await loggedIn(t, {
    'Nodes/Remove': () => ({ id: 'node-1', name: 'gpu-1', interruptedRunIds: [7, 8], repeatedRunIds: [9] }),
  })
  t.is(
    (await spell(['node', 'remove', 'gpu-1', '--lost'])).stdout,
    'Node gpu-1 is removed. Interrupted: 7 8. Repeated elsewhere: 9.\n',
  )
  coordinator.answers['Nodes/Remove'] = () => {
    throw new RpcError('FAILED_PRECONDITION', 'Node gpu-1 is connected.')
  }
  const refused = await spell(['node', 'remove', 'gpu-1'])
  t.is(refused.code, 1)
  t.regex(refused.stderr, /Node gpu-1 is connected\./)
})
