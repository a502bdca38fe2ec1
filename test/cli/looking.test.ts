import test from 'ava'
import { RpcError } from '../../common/errors.js'
import type { ListRunsRequest__Output } from '../../proto/gen/spell/v1/ListRunsRequest.js'
import { loggedIn } from './support/logged-in.js'
import { aRun } from './support/runs.js'

const long = 'python train.py --learning-rate 0.001'
const runs = [
  aRun(4, ['machine_requested']),
  aRun(3, ['machine_requested', 'building', 'running'], {
    labels: ['a', 'b'],
    spec: {
      command: long,
      description: 'first, try',
      code: { synced: { repositoryName: 'vision', commitHash: '0123456789abcdef' } },
    },
  }),
  aRun(2, ['running', 'complete'], { exitCode: 0 }),
  aRun(1, ['building', 'build_failed']),
]

test('ps lists the oldest first, and cuts commands to 25 characters', async (t) => {
  const { spell, coordinator } = await loggedIn(t, { 'Runs/List': () => ({ runs }) })
  t.is(
    (await spell(['ps', '-n', '4', '-l', 'a', '-l', 'b', '-r', 'vision'])).stdout,
    `ID  REPOSITORY  COMMAND                    STATUS        CREATOR
1               python train.py            Build Failed  ada
2               python train.py            Complete (0)  ada
3   vision      python train.py --learni…  *Running      ada
4               python train.py            Queued        ada
`,
  )
  t.like(coordinator.requestsOf<ListRunsRequest__Output>('Runs/List')[0], {
    pageSize: 4,
    labels: ['a', 'b'],
    repository: 'vision',
    uncategorized: false,
  })
})

test('ps -v has all columns, and --no-trunc and --raw cut nothing', async (t) => {
  const { spell } = await loggedIn(t, { 'Runs/List': () => ({ runs: runs.slice(1, 2) }) })
  t.is(
    (await spell(['ps', '-v', '--no-trunc'])).stdout,
    `ID  REPOSITORY  COMMAND                                COMMIT            STATUS    CREATOR  LABELS  MACHINE  DESCRIPTION
3   vision      ${long}  0123456789abcdef  *Running  ada      a, b    CPU      first, try
`,
  )
  t.regex((await spell(['ps', '-v'])).stdout, / 01234567 {2}\*Running /)
  t.is(
    (await spell(['ps', '-v', '--raw'])).stdout,
    `3,vision,${long},0123456789abcdef,*Running,ada,"a, b",CPU,"first, try"\n`,
  )
  t.is((await spell(['ps', '--raw'])).stdout, `3,vision,${long},*Running,ada\n`)
})

test('ps asks for further pages until there are enough runs', async (t) => {
  const { spell, coordinator } = await loggedIn(t, {
    'Runs/List': ({ pageSize, pageToken }: ListRunsRequest__Output) => {
      const start = Number(pageToken || 2_500)
      const page = Array.from({ length: pageSize }, (_, index) => aRun(start - index, ['complete']))
      return { runs: page, nextPageToken: String(start - pageSize) }
    },
  })
  const { stdout } = await spell(['ps', '--raw', '-n', '1500'])
  t.is(stdout.split('\n').length, 1_501)
  t.true(stdout.startsWith('1001,'))
  t.deepEqual(
    coordinator.requestsOf<ListRunsRequest__Output>('Runs/List').map(({ pageSize }) => pageSize),
    [1000, 500],
  )
})

test('--json has the promised fields', async (t) => {
  const { spell } = await loggedIn(t, { 'Runs/List': () => ({ runs: runs.slice(2, 3) }) })
  const [run] = JSON.parse((await spell(['ps', '--json'])).stdout)
  t.like(run, {
    id: 2,
    state: 'complete',
    exit_code: 0,
    creator: 'ada',
    started_at: '2024-01-02T03:04:05.000Z',
    project: null,
  })
})

test('info shows a row for each thing that is known', async (t) => {
  const run = aRun(7, [['machine_requested', 1000], ['building', 500], ['running', 67_057], 'complete'], {
    exitCode: 3,
    project: 'vision',
    labels: ['a'],
    spec: {
      command: 'x',
      mounts: [{ resource: 'runs/1', path: '/mnt' }],
      env: [{ name: 'A', value: '' }],
      environment: { pipPackages: ['rich'], aptPackages: ['ffmpeg'], dockerImage: 'python:3' },
    },
  })
  const { spell } = await loggedIn(t, { 'Runs/Get': () => run })
  const { stdout } = await spell(['info', '7'])
  const rows = new Map(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/) as [string, string]),
  )
  t.deepEqual(Object.fromEntries(rows), {
    Run: '7',
    Project: 'vision',
    Status: 'complete (3)',
    Command: 'x',
    Creator: 'ada',
    'Machine Type': 'CPU',
    'Docker Image': 'python:3',
    Created: '2024-01-02 03:04:05',
    'Start Time': '2024-01-02 03:04:06',
    'End Time': '2024-01-02 03:05:13',
    Duration: '1m7.557s',
    'Time Spent': 'machine_requested 1s, building 500ms, running 1m7.057s',
    Labels: 'a',
    Mounts: 'runs/1 at /mnt',
    'Environment Vars': 'A',
    'Pip Packages': 'rich',
    'Apt Packages': 'ffmpeg',
  })
})

test('ls shows size, date and path', async (t) => {
  const at = Date.UTC(2024, 4, 21, 18, 48)
  const { spell } = await loggedIn(t, {
    'Files/List': ({ path }: { path: string }) => ({
      entries:
        path === 'runs/9'
          ? []
          : [
              { path: 'runs/1/big.html', kind: 'FILE', sizeBytes: 12228, modifiedAtMs: at },
              { path: 'runs/1/sub/', kind: 'DIRECTORY' },
              { path: 'runs/1/link', kind: 'LINK', sizeBytes: 3, modifiedAtMs: at, linkTarget: 'big.html' },
              { path: 'runs/1/late', kind: 'FILE', sizeBytes: 1, modifiedAtMs: at, runUnfinished: true },
            ],
    }),
  })
  t.is(
    (await spell(['ls', 'resources/runs/1/'])).stdout,
    `   12228 May 21 18:48   big.html
       - -              sub/
       3 May 21 18:48   link → big.html
       1 May 21 18:48   late (info)
`,
  )
  t.true((await spell(['ls', '-h', 'runs/1'])).stdout.startsWith('     12K May 21'))
  const empty = await spell(['ls', 'runs/9'])
  t.deepEqual([empty.code, empty.stdout, empty.stderr], [0, '', 'No files for path runs/9\n'])
})

test('whoami and status, plain and raw', async (t) => {
  const { spell } = await loggedIn(t, {
    'Account/WhoAmI': () => ({ name: 'ada', email: 'a@b', role: 'admin' }),
    'Account/Status': () => ({ totalRuns: 12, queuedForConcurrency: 2, concurrencyLimit: 5 }),
  })
  t.regex(
    (await spell(['whoami'])).stdout,
    /^Username {2}ada\nEmail {5}a@b\nRole {6}admin\nContext {3}test\n/,
  )
  t.is((await spell(['whoami', '--raw'])).stdout, 'ada,a@b,admin\n')
  t.true(
    (await spell(['status'])).stdout.startsWith(
      'total: 12 runs\ncurrently queued due to concurrency: 2 runs\nplan concurrency limit: 5 runs\n',
    ),
  )
  t.is((await spell(['status', '--raw'])).stdout, '12,2,5\n')
})

test('an error of the API is a sentence, and the program ends with 1', async (t) => {
  const { spell } = await loggedIn(t, {
    'Runs/Get': () => {
      throw new RpcError('NOT_FOUND', 'no run 77; the newest is 12')
    },
    'Runs/List': () => {
      throw new RpcError('UNAUTHENTICATED', 'This token is not known.')
    },
  })
  const missing = await spell(['info', '77'])
  t.deepEqual([missing.code, missing.stderr], [1, 'Error: no run 77; the newest is 12\n'])
  const stranger = await spell(['ps'])
  t.deepEqual(
    [stranger.code, stranger.stderr],
    [1, 'Error: This token is not known. Please log in ("spell login").\n'],
  )
})
