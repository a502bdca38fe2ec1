import test from 'ava'
import { loggedIn } from './support/logged-in.js'

const plain = { name: 'CPU', cpus: 2, memoryBytes: 8 * 1024 ** 3, nodeCount: 3, freeCount: 5 }
const big = {
  ...{ name: 'big', gpuCount: 4, gpuModel: 'A100', cpus: 32, memoryBytes: 256 * 1024 ** 3 },
  ...{ nodeCount: 1, freeCount: 1, made: true, limit: 2, inUse: 1, labels: ['fast-disk'], spot: true },
  ...{ defaultAutoResume: true, storageBytes: 500e9 },
}

test('machine-type list shows limits and what made types ask for, where there are any', async (t) => {
  const { spell, coordinator } = await loggedIn(t, {
    'Cluster/ListMachineTypes': () => ({ machineTypes: [plain, big] }),
  })
  t.is(
    (await spell(['cluster', 'machine-type', 'list'])).stdout,
    `NAME  GPUS      CPUS  MEMORY  MACHINES  FREE NOW  LIMIT   ASKS FOR
CPU   -         2     8.0G    3         5         -       -
big   4 x A100  32    256G    1         1         1 of 2  fast-disk, 500 GB of disk, spot
`,
  )
  coordinator.answers['Cluster/ListMachineTypes'] = () => ({ machineTypes: [plain] })
  t.is(
    (await spell(['cluster', 'machine-type', 'list'])).stdout,
    'NAME  GPUS  CPUS  MEMORY  MACHINES  FREE NOW\nCPU   -     2     8.0G    3         5\n',
  )
})

test('machine-type add says everything that was written', async (t) => {
  const { spell, coordinator } = await loggedIn(t, {
    'MachineTypes/Add': () => big,
    'Cluster/ListMachineTypes': () => ({ machineTypes: [plain, big] }),
  })
  const words = ['--name', 'big', '--gpu-model', 'A100', '--gpus', '4', '--cpus', '32', '--memory', '256G']
  const more = ['--storage-size', '500', '--label', 'fast-disk', '--label', 'x', '--limit', '2', '--spot']
  t.is(
    (await spell(['cluster', 'machine-type', 'add', ...words, ...more])).stdout,
    'Machine type big is made: spell run -t big …\n',
  )
  t.like(coordinator.requestsOf<object>('MachineTypes/Add')[0], {
    ...{ name: 'big', gpuModel: 'A100', gpuCount: 4, cpus: 32, memoryBytes: 256 * 1024 ** 3 },
    ...{ storageBytes: 500e9, labels: ['fast-disk', 'x'], limit: 2, spot: true, defaultAutoResume: false },
  })
})

test('machine-type add warns where no node could give it', async (t) => {
  const { spell } = await loggedIn(t, {
    'MachineTypes/Add': () => big,
    'Cluster/ListMachineTypes': () => ({ machineTypes: [plain, { ...big, nodeCount: 0 }] }),
  })
  const added = await spell(['cluster', 'machine-type', 'add', '--name', 'big', '--json'])
  t.is(added.code, 0)
  t.is(JSON.parse(added.stdout).name, 'big')
  t.is(
    added.stderr,
    'Warning: no node of this cluster can give a big machine. Its runs wait until one can.\n',
  )
})

test('a model and no GPUs, an empty model and counts beyond the wire are refused', async (t) => {
  const { spell, coordinator } = await loggedIn(t)
  const typed = async (...words: string[]) => await spell(['cluster', 'machine-type', ...words])
  const add = (...words: string[]) => typed('add', '--name', 'big', ...words)
  for (const [refused, sentence] of [
    [await add('--gpu-model', 'T4', '--gpus', '0'), /--gpu-model and --gpus 0 exclude each other/],
    [await add('--gpu-model', ''), /--gpu-model needs the name of a model/],
    [await add('--limit', '4294967297'), /It must be a whole number, 2147483647 or less/],
    [await typed('scale', 'big', '4294967296'), /It must be a whole number, 2147483647 or less/],
  ] as const) {
    t.is(refused.code, 2)
    t.regex(refused.stderr, sentence)
  }
  t.deepEqual(coordinator.requests, [])
})

for (const words of [['--min-machines', '0'], ['--idle-timeout=30'], ['--instance-type', 'p3.8xlarge']])
  test(`${words[0]} is refused by name`, async (t) => {
    const { spell, coordinator } = await loggedIn(t)
    const added = await spell(['cluster', 'machine-type', 'add', '--name', 'big', ...words])
    t.is(added.code, 2)
    t.regex(added.stderr, new RegExp(`${words[0]?.replace(/=.*/, '')} is about machines that are rented`))
    t.deepEqual(coordinator.requests, [])
  })

test('scale and delete say what holds now', async (t) => {
  const { spell } = await loggedIn(t, { 'MachineTypes/Scale': () => big, 'MachineTypes/Delete': () => big })
  const typed = async (...words: string[]) => (await spell(['cluster', 'machine-type', ...words])).stdout
  t.is(await typed('scale', 'big', '3'), 'Machine type big may be used by 3 runs at once.\n')
  t.is(await typed('scale', 'big', '1'), 'Machine type big may be used by one run at once.\n')
  t.is(await typed('scale', 'big', '0'), 'Machine type big has no limit any more.\n')
  t.is(await typed('delete', 'big'), 'Machine type big is deleted.\n')
})

test('get-token is bound to the type, and --renew ends those printed before', async (t) => {
  const created = {
    ...{ id: 'x', token: 'secret', caSha256: 'ab', addresses: ['a.example:7000'] },
    expiresAtMs: 1_800_000_000_000,
  }
  const { spell, coordinator } = await loggedIn(t, {
    'MachineTypes/List': () => ({ types: [{ ...big, name: 'Big Box' }] }),
    'JoinTokens/List': () => ({
      tokens: [
        { id: '1', machineType: 'big-box' },
        { id: '2', machineType: '' },
      ],
    }),
    'JoinTokens/Revoke': () => ({}),
    'JoinTokens/Create': () => created,
  })
  const late = await spell(['cluster', 'machine-type', 'get-token', 'BIGBOX', '--renew', '--ttl', 'never'])
  t.is(late.code, 2)
  t.deepEqual(coordinator.requestsOf('JoinTokens/Revoke'), [], 'a token that was not made ends none')
  const made = await spell(['cluster', 'machine-type', 'get-token', 'BIGBOX', '--renew', '--installed'])
  t.is(made.code, 0, made.stderr)
  t.regex(made.stdout, /^spell node join a\.example:7000 --ca-hash ab --token-stdin/)
  t.regex(made.stderr, /^One token ended\.$/m)
  t.deepEqual(coordinator.requestsOf('JoinTokens/Revoke'), [{ id: '1' }])
  t.like(coordinator.requestsOf<object>('JoinTokens/Create')[0], {
    kind: 'JOIN_NODE',
    machineType: 'Big Box',
  })
  const unknown = await spell(['cluster', 'machine-type', 'get-token', 'T4'])
  t.is(unknown.code, 1)
  t.regex(unknown.stderr, /There is no made machine type "T4" to join machines to; there is Big Box\./)
})
