import { randomBytes } from 'node:crypto'
import test from 'ava'
import { RpcError } from '../../common/errors.js'
import type { SubmitRequest__Output } from '../../proto/gen/spell/v1/SubmitRequest.js'
import { loggedIn } from './support/logged-in.js'
import { aRun, wholeStory } from './support/runs.js'

const usual = () => ({
  'Runs/Submit': () => ({ runId: 1577, warnings: [] }),
  'Runs/Follow': () => wholeStory(1577, Buffer.from('Hello World\n')),
})

const plainStory = `💫 Casting spell #1577…
✨ Stop viewing logs with ^C
✨ Run is machine_requested
✨ Run is building
✨ Run is running
Hello World
✨ Run is saving
✨ Run is pushing
🎉 Total run time: 6.87s
🎉 Run 1577 complete
`

test('a followed run prints one line for each state when stdout is not a terminal', async (t) => {
  const { spell } = await loggedIn(t, usual())
  const { code, stdout, stderr } = await spell(['run', '-f', 'python train.py'])
  t.is(code, 0)
  t.is(stdout, plainStory)
  t.true(stderr.startsWith('No git repository found! Running without a workspace.\n'))
})

test("a coordinator's warning cannot steer the terminal", async (t) => {
  const answers = { ...usual(), 'Runs/Submit': () => ({ runId: 1577, warnings: ['a\u001b[2Jb'] }) }
  const { spell } = await loggedIn(t, answers)
  t.regex((await spell(['run', '-bf', 'x'])).stderr, /^Warning: a\?\[2Jb$/m)
})

test('without UTF-8 there are no emoji and three dots', async (t) => {
  const { spell } = await loggedIn(t, usual())
  for (const env of [{ LANG: 'C' }, { LANG: '' }, { LC_ALL: 'POSIX' }, { LC_ALL: 'en_US.ISO-8859-1' }]) {
    const { stdout } = await spell(['run', '-f', 'x'], { env })
    t.is(stdout, plainStory.replaceAll(/[✨💫🎉] /gu, '').replaceAll('…', '...'), JSON.stringify(env))
  }
})

test('-b prints the Casting line, where the logs are, and nothing else', async (t) => {
  const { spell } = await loggedIn(t, usual())
  const { stdout } = await spell(['run', '-bf', 'x'])
  t.is(stdout, '💫 Casting spell #1577…\nView logs with `spell logs 1577`\n')
})

test('the bytes of the log arrive unchanged, and a line of ours begins on a line of its own', async (t) => {
  const log = Buffer.concat([randomBytes(1 << 20), Buffer.from([0xff, 0xfe, 0x0d, 0x00, 0x41])])
  const { spell } = await loggedIn(t, { ...usual(), 'Runs/Follow': () => wholeStory(1577, log) })
  const { bytes } = await spell(['run', '-f', 'x'])
  const at = bytes.indexOf(log)
  t.true(at > 0)
  t.true(
    bytes
      .subarray(at + log.length)
      .toString()
      .startsWith('\n✨ Run is saving\n'),
  )
})

const ends = test.macro({
  async exec(t, args: readonly string[], state: string, more: object, code: number) {
    const answers = {
      ...usual(),
      async *'Runs/Follow'() {
        yield { run: aRun(1577, ['machine_requested', 'building', 'running', state], more) }
      },
    }
    const { spell } = await loggedIn(t, answers)
    const ended = await spell(['run', '-f', ...args, 'x'])
    t.is(ended.code, code, ended.stdout + ended.stderr)
  },
  title: (_, args: readonly string[], state: string, more: object, code: number) =>
    `exits with ${code} when a run ends ${state} ${JSON.stringify(more)} ${args.join(' ')}`,
})
test(ends, [], 'complete', { exitCode: 3 }, 0)
test(ends, ['--exit-code'], 'complete', { exitCode: 3 }, 3)
test(ends, ['--exit-code'], 'complete', { exitCode: 0 }, 0)
test(ends, [], 'stopped', {}, 0)
test(ends, [], 'failed', {}, 1)
test(ends, [], 'build_failed', {}, 1)
test(ends, [], 'killed', {}, 1)
test(ends, [], 'interrupted', {}, 1)
test(ends, ['--exit-code'], 'killed', { exitCode: 137 }, 137)

test('a failed run says why, and how to find out more unless -v was given', async (t) => {
  const answers = {
    ...usual(),
    async *'Runs/Follow'() {
      const reason = 'apt has no package ffmpegg'
      yield { line: { text: 'pulling', verbose: true } }
      yield { run: aRun(1577, ['machine_requested', 'building', 'build_failed'], { reason }) }
    },
  }
  const { spell } = await loggedIn(t, answers)
  const told =
    '✨ Run is machine_requested\n✨ Run is building\n💥 apt has no package ffmpegg\n💥 Run 1577 failed while building\n'
  const plain = await spell(['run', '-f', 'x'])
  t.true(
    plain.stdout.endsWith(`${told}ℹ️  Use 'spell logs 1577 --verbose' to examine cause of error.\n`),
    plain.stdout,
  )
  const verbose = await spell(['run', '-fv', 'x'])
  t.true(verbose.stdout.endsWith(`✨ pulling\n${told}`), verbose.stdout)
})

test('Submit is made again with the same request id until somebody answers', async (t) => {
  let tries = 0
  const answers = {
    ...usual(),
    'Runs/Submit': () => {
      tries += 1
      if (tries < 3) throw new RpcError('UNAVAILABLE', 'No leader.', { trailers: { 'retry-after-ms': '50' } })
      return { runId: 1577 }
    },
  }
  const { spell, coordinator } = await loggedIn(t, answers)
  t.is((await spell(['run', '-bf', 'x'])).code, 0)
  const ids = coordinator.requestsOf<SubmitRequest__Output>('Runs/Submit').map((request) => request.requestId)
  t.is(ids.length, 3)
  t.is(new Set(ids).size, 1)
})

test('an option taken from behind an unquoted command is named on stderr, and in the error that it leads to', async (t) => {
  const answers = {
    ...usual(),
    'Runs/Submit': () => {
      throw new RpcError('INVALID_ARGUMENT', "There is no machine type 'http.server'.")
    },
  }
  const { spell } = await loggedIn(t, answers)
  const note =
    'Note: -t http.server was taken as an option of spell. To give it to your command instead: spell run -f -- python -t http.server\n'
  const { code, stderr } = await spell(['run', '-f', 'python', '-t', 'http.server'])
  t.is(code, 1)
  t.is(stderr.split(note).length, 3, stderr)
  t.true(stderr.startsWith(note))
})

test('an error of the workspace says too which option was taken', async (t) => {
  const { spell } = await loggedIn(t, usual())
  const { code, stderr } = await spell(['run', 'bash', '-vc', 'echo hi'])
  t.is(code, 4)
  const remark =
    "Note: -vc echo hi was taken as an option of spell. To give it to your command instead: spell run -- bash -vc 'echo hi'\n"
  t.is(stderr, `${remark}Error: There is no git repository here for --commit-ref echo hi.\n${remark}`)
})

test('without a terminal nothing is asked: the command names -f', async (t) => {
  const { spell, coordinator } = await loggedIn(t, usual())
  const { code, stderr } = await spell(['run', 'x'])
  t.is(code, 1)
  t.is(
    stderr,
    'Error: Could not find a git repository, so no user files will be available. Use -f to run without them.\n',
  )
  t.deepEqual(coordinator.requests, [])
})

test('--json prints one object a line and nothing else', async (t) => {
  const { spell } = await loggedIn(t, usual())
  const { stdout } = await spell(['run', '-f', '--json', 'x'])
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.deepEqual(events[0], { event: 'submitted', id: 1577 })
  t.deepEqual(
    events.find((event) => event.event === 'log'),
    { event: 'log', attempt: 1, offset: 0, at: null, text: 'Hello World\n' },
  )
  t.is(events.at(-1).run.state, 'complete')
  t.is(events.at(-1).run.created_at, '2024-01-02T03:04:05.000Z')
})
