import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { loggedIn } from './support/logged-in.js'
import { aRun, pipeline, wholeStory } from './support/runs.js'

// On a terminal of its own (util-linux's script), as a person sees it.

/** What stays on the screen: each line as it was last drawn. */
function screen(output: string): string[] {
  return output.split('\n').map(
    (line) =>
      line
        .replace(/\r$/, '')
        .split(/\r|\u001b\[K/)
        .findLast((part) => part !== '') ?? '',
  )
}

const forever = async function* (_request: unknown, { signal }: { signal: AbortSignal }) {
  yield { run: aRun(1577, pipeline.slice(0, 4)) }
  yield { log: { attempt: 1, offset: 0, data: Buffer.from('working\n') } }
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
}

const usual = () => ({
  'Runs/Submit': () => ({ runId: 1577 }),
  'Runs/Follow': () => wholeStory(1577, Buffer.from('Hello World\n')),
})

test('each waiting line ends in done', async (t) => {
  const { onTerminal } = await loggedIn(t, usual())
  const { stdout, code } = await onTerminal(['run', '-f', 'x']).ended
  t.is(code, 0)
  t.deepEqual(screen(stdout).slice(1), [
    '💫 Casting spell #1577…',
    '✨ Stop viewing logs with ^C',
    '✨ Machine_Requested… done',
    '✨ Building… done',
    '✨ Run is running',
    'Hello World',
    '✨ Saving… done',
    '✨ Pushing… done',
    '🎉 Total run time: 6.87s',
    '🎉 Run 1577 complete',
    '',
  ])
})

test('a mounting state is told when there are mounts', async (t) => {
  const states = ['machine_requested', 'building', 'mounting', 'running', 'complete']
  const spec = { command: 'x', mounts: [{ resource: 'runs/1', path: 'data' }] }
  const { onTerminal } = await loggedIn(t, {
    async *'Runs/Follow'() {
      yield { run: aRun(7, states, { spec }) }
    },
  })
  const { stdout } = await onTerminal(['logs', '7']).ended
  t.true(screen(stdout).includes('✨ Mounting… done'), stdout)
})

test('the waiting line says what is waited for, and moves', async (t) => {
  let proceed: () => void = () => undefined
  const may = new Promise<void>((resolve) => {
    proceed = resolve
  })
  const { onTerminal } = await loggedIn(t, {
    async *'Runs/Follow'() {
      yield { run: aRun(7, ['machine_requested'], { machineType: 'V100', queuePosition: 3 }) }
      await may
      yield* wholeStory(7, Buffer.alloc(0))
    },
  })
  const spell = onTerminal(['logs', '-f', '7'])
  await spell.until(/⭐ Machine_Requested… waiting for a V100 machine, position 3.*🌟 Machine_Requested…/su)
  proceed()
  const { stdout } = await spell.ended
  t.true(screen(stdout).includes('✨ Machine_Requested… done'))
})

test('logs of a run that waits leave what it waits for on the screen', async (t) => {
  const { onTerminal } = await loggedIn(t, {
    async *'Runs/Follow'() {
      const reason = 'Waiting for a V100 machine: node-1 has 0 of 1 GPUs free; it starts when run 3 ends'
      yield { run: aRun(7, ['user_requested', 'machine_requested'], { reason, queuePosition: 1 }) }
    },
  })
  const { stdout, code } = await onTerminal(['logs', '7']).ended
  t.is(code, 0)
  t.deepEqual(screen(stdout), [
    '✨ Machine_Requested… waiting for a V100 machine, position 1: node-1 has 0 of 1 GPUs free; it starts when run 3 ends',
    '',
  ])
})

test('^C leaves the run alone', async (t) => {
  const { onTerminal, coordinator } = await loggedIn(t, { ...usual(), 'Runs/Follow': forever })
  const spell = onTerminal(['run', '-f', 'x'])
  await spell.until(/working/)
  spell.type('\u0003')
  const { stdout, code } = await spell.ended
  t.is(code, 0)
  t.true(
    stdout.endsWith(
      [
        'working',
        '^C',
        '✨ Your run is still running remotely.',
        "✨ Use 'spell kill 1577' to terminate your run",
        "✨ Use 'spell logs 1577' to view logs again",
        '',
      ].join('\r\n'),
    ),
    stdout,
  )
  t.deepEqual(
    coordinator.requests.map(({ method }) => method),
    ['Runs/Submit', 'Runs/Follow'],
  )
})

test('^C while logs are followed says how to follow them again', async (t) => {
  const { start } = await loggedIn(t, { 'Runs/Follow': forever })
  const spell = start(['logs', '-f', '1577'])
  await spell.until(/working/)
  spell.signal('SIGINT')
  const { stdout, code } = await spell.ended
  t.is(code, 0)
  t.true(stdout.endsWith("working\n\n✨ Use 'spell logs 1577' to view logs again\n"), stdout)
})

test('a question is asked on a terminal, and Enter means yes', async (t) => {
  const { onTerminal, coordinator } = await loggedIn(t, usual())
  const question =
    'Could not find a git repository, so no user files will be available. Continue anyway? [Y/n]: '
  const yes = onTerminal(['run', '-b', 'x'])
  await yes.until(/\[Y\/n\]: $/)
  yes.type('\n')
  const ended = await yes.ended
  t.true(ended.stdout.startsWith(question), ended.stdout)
  t.is(ended.code, 0)
  const no = onTerminal(['run', '-b', 'x'])
  await no.until(/\[Y\/n\]: $/)
  no.type('n\n')
  t.is((await no.ended).code, 1)
  t.is(coordinator.requestsOf('Runs/Submit').length, 1)
})

test('^C at a question ends the command with a word', async (t) => {
  const { onTerminal, coordinator } = await loggedIn(t, usual())
  const spell = onTerminal(['run', '-b', 'x'])
  await spell.until(/\[Y\/n\]: $/)
  spell.type('\u0003')
  const { code, stdout } = await spell.ended
  t.is(code, 1)
  t.true(stdout.endsWith('[Y/n]: ^C\r\nError: Aborted.\r\n'), stdout)
  t.deepEqual(coordinator.requests, [])
})

test('NO_COLOR takes the colours away and TERM=dumb whatever moves', async (t) => {
  const answers = {
    ...usual(),
    'Runs/List': () => ({ runs: [aRun(1, ['running'])] }),
  }
  const { onTerminal } = await loggedIn(t, answers)
  t.regex((await onTerminal(['ps']).ended).stdout, /\u001b\[32m\*Running\u001b\[39m/)
  t.notRegex((await onTerminal(['ps'], { env: { NO_COLOR: '1' } }).ended).stdout, /\u001b\[\d*m/)
  const dumb = await onTerminal(['run', '-f', 'x'], { env: { TERM: 'dumb' } }).ended
  t.notRegex(dumb.stdout, /\u001b/)
  t.true(dumb.stdout.includes('✨ Run is building'))
})

test('untracked files are named, at most twenty, and asked about', async (t) => {
  const { onTerminal, cwd } = await loggedIn(t, usual())
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd })
  git('init', '-q')
  writeFileSync(join(cwd, 'tracked'), '')
  git('add', 'tracked')
  git('commit', '-qm', 'first')
  for (let count = 10; count < 33; count++) writeFileSync(join(cwd, `new${count}`), '')
  const spell = onTerminal(['run', 'x'])
  await spell.until(/\[Y\/n\]: $/)
  spell.type('n\n')
  const lines = (await spell.ended).stdout.split('\r\n')
  t.is(lines[0], `There are some untracked files in repo ${cwd}. They won't be available on this run.`)
  t.is(lines[1], '\tnew10')
  t.is(lines[20], '\tnew29')
  t.is(lines[21], '\t... and 3 more')
  t.is(lines[22], 'Continue the run anyway? [Y/n]: n')
})
