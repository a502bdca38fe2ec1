import test from 'ava'
import { RpcError } from '../../common/errors.js'
import { loggedIn } from './support/logged-in.js'
import { aRun, pipeline } from './support/runs.js'

const steered = test.macro({
  async exec(t, args: readonly string[], answer: object, stdout: string, code = 0, stderr = '') {
    const { spell } = await loggedIn(t, {
      'Runs/Stop': () => answer,
      'Runs/Kill': () => answer,
      'Runs/Archive': () => answer,
    })
    const ended = await spell(args)
    t.deepEqual([ended.stdout, ended.code, ended.stderr], [stdout, code, stderr])
  },
  title: (_, args: readonly string[], answer: object) =>
    `spell ${args.join(' ')}, answered ${JSON.stringify(answer)}`,
})

const mixed = { done: [3, 4], alreadyFinished: [1, 2], unknown: [9] }
const bar = '-'.repeat(50)
test(
  steered,
  ['stop', '307'],
  { done: [307] },
  "Stopping run 307. Use 'spell logs -f 307' to view logs while the job finishes.\n",
)
test(
  steered,
  ['stop', '1', '2', '3', '4', '9'],
  mixed,
  `Executing batch stop... Use 'spell logs -f RUN_ID' to view logs for a run while the job finishes.
| Already finished: 1 2
| Run ID does not exist: 9
${bar}
| Successfully stopping: 3 4. Any outputs will be pushed and saved.
`,
  1,
)
test(steered, ['stop', '-q', '307'], { done: [307] }, '')
test(steered, ['stop', '307'], { alreadyFinished: [307] }, '', 0, 'Already finished: 307\n')
test(steered, ['kill', '307'], { done: [307] }, '307\n')
test(
  steered,
  ['kill', '1', '2', '3', '4', '9'],
  mixed,
  `Executing batch kill...
| Already finished: 1 2
| Run ID does not exist: 9
${bar}
| Successfully killed: 3 4
`,
  1,
)
test(steered, ['kill', '9'], { unknown: [9] }, '', 1, 'Error: Run ID does not exist: 9\n')
test(steered, ['kill', '5'], { notPermitted: [5] }, '', 1, 'Error: Run 5 is not yours to kill.\n')
test(steered, ['archive', '307'], { done: [307] }, '307\n')
test(steered, ['archive', '1', '2'], { done: [1, 2] }, 'Successfully archived runs: 1 2\n')

test('an id that is none is a usage error', async (t) => {
  const { spell } = await loggedIn(t)
  for (const word of ['x', '0', '-1', '1.5', '99999999999999999999']) {
    t.is((await spell(['stop', word])).code, 2, word)
  }
})

test('a label is added and removed', async (t) => {
  const { spell, coordinator } = await loggedIn(t, { 'Runs/SetLabel': () => aRun(7, ['running']) })
  t.is((await spell(['label', '7', 'nightly'])).stdout, 'Successfully added label nightly to run 7.\n')
  t.is(
    (await spell(['label', '7', 'nightly', '--remove'])).stdout,
    'Successfully removed label nightly from run 7.\n',
  )
  t.deepEqual(
    coordinator.requestsOf<{ remove: boolean }>('Runs/SetLabel').map(({ remove }) => remove),
    [false, true],
  )
})

test('wait ends when all runs have, with what became of them', async (t) => {
  const { spell } = await loggedIn(t, {
    async *'Runs/Follow'({ runId }: { runId: number }) {
      yield { run: aRun(runId, pipeline.slice(0, 4)) }
      const state = runId === 3 ? 'killed' : 'complete'
      yield { run: aRun(runId, [...pipeline.slice(0, 4), state], { exitCode: runId === 2 ? 5 : 0 }) }
    },
  })
  const wait = async (...args: string[]) => (await spell(['wait', ...args])).code
  t.is(await wait('1', '2'), 0)
  t.is(await wait('1', '3', '2'), 1)
  t.is(await wait('--exit-code', '1', '2'), 5)
  t.is((await spell(['wait', '1'])).stdout, 'Run 1: Complete (0)\n')
})

test('wait takes many runs, each once, and says which there are not when the others have ended', async (t) => {
  const { spell, start, coordinator } = await loggedIn(t, {
    async *'Runs/Follow'({ runId }: { runId: number }, { signal }) {
      if (runId === 99) throw new RpcError('NOT_FOUND', 'no run 99; the newest is 40')
      yield { run: aRun(runId, pipeline.slice(0, 4)) }
      if (runId === 50) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      else yield { run: aRun(runId, pipeline, { exitCode: 0 }) }
    },
  })
  const ids = Array.from({ length: 40 }, (_, index) => String(index + 1))
  const many = await spell(['wait', '99', ...ids, '1', '99'])
  t.is(many.code, 1)
  t.is(many.stderr, 'Error: Run ID does not exist: 99\n')
  t.deepEqual(many.stdout.split('\n').sort(), ['', ...ids.map((id) => `Run ${id}: Complete (0)`)].sort())
  t.is(coordinator.requestsOf('Runs/Follow').length, 41)
  const left = start(['wait', '1', '50'])
  await left.until(/Run 1:/)
  left.signal('SIGINT')
  t.is((await left.ended).code, 130)
})

test('more runs than a request may name are refused', async (t) => {
  const { spell } = await loggedIn(t)
  const ids = Array.from({ length: 1001 }, (_, index) => String(index + 1))
  for (const name of ['wait', 'stop']) {
    const { code, stderr } = await spell([name, ...ids])
    t.deepEqual([code, stderr], [2, 'Error: At most 1000 runs at once.\n'])
  }
})

test('projects are made, listed and filled', async (t) => {
  const project = { name: 'vision', description: 'eyes', creator: 'ada', runCount: 2 }
  const { spell, coordinator } = await loggedIn(t, {
    'Projects/Create': () => project,
    'Projects/List': () => ({ projects: [project] }),
    'Projects/AddRuns': () => ({ done: [8, 9] }),
    'Projects/Edit': () => project,
  })
  t.is(
    (await spell(['project', 'create', '-n', 'vision', '-d', 'eyes', '-r', '7'])).stdout,
    "💫 Created project 'vision'\n",
  )
  t.is(
    (await spell(['project', 'list'])).stdout,
    'NAME    RUNS  CREATOR  CREATED  DESCRIPTION\nvision  2     ada               eyes\n',
  )
  t.is(
    (await spell(['project', 'add-runs', 'vision', '8', '9'])).stdout,
    "Successfully added runs 8 9 to project 'vision'.\n",
  )
  const added = await spell(['project', 'add-runs', 'vision', '8', '9', '--json'])
  t.deepEqual(JSON.parse(added.stdout), {
    ...{ done: [8, 9], already_finished: [], unknown: [], not_permitted: [] },
  })
  t.is((await spell(['project', 'edit', 'vision'])).code, 2)
  t.is((await spell(['project', 'edit', 'vision', '-d', ''])).code, 0)
  t.like(coordinator.requestsOf('Projects/Edit')[0], {
    name: 'vision',
    newDescription: '',
    newName: undefined,
  })
})

test('a run that was not in the project is not said to have left it', async (t) => {
  const { spell } = await loggedIn(t, { 'Projects/RemoveRuns': () => ({ done: [8] }) })
  const { code, stdout, stderr } = await spell(['project', 'remove-runs', 'vision', '8', '9'])
  t.deepEqual(
    [code, stdout, stderr],
    [0, "Successfully removed runs 8 from project 'vision'.\n", "Not in project 'vision': 9\n"],
  )
  const json = await spell(['project', 'remove-runs', 'vision', '8', '9', '--json'])
  t.deepEqual(JSON.parse(json.stdout), {
    ...{ done: [8], already_finished: [], unknown: [], not_permitted: [], not_in_project: [9] },
  })
})
