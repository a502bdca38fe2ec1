import { appendFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { makeRepository } from '../fixtures/repository.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'
import { loggedIn } from './support/logged-in.js'

// What `spell run` does with the repository around it.

const usual = () => ({
  'Files/HasObject': () => ({ present: true }),
  'Runs/Submit': () => ({ runId: 7 }),
})

const committed = 'echo a > a; git add a; git commit -qm first'

const saidFirst = test.macro<[string, readonly string[], string, number, RegExp]>({
  async exec(t, line, args, config, exit, sentence) {
    const { spell, coordinator, directory } = await loggedIn(t, usual())
    appendFileSync(join(directory, 'config'), config)
    const repository = await makeRepository(t)
    await repository.sh(`${line}; touch untracked`)
    const { code, stderr } = await spell(['run', '-b', ...args, 'x'], { cwd: repository.root })
    t.regex(stderr, sentence)
    t.is(code, exit)
    t.deepEqual(coordinator.requests, [])
  },
  title: (name) => `said before anything is asked about untracked files: ${name}`,
})
test('there is no commit', saidFirst, ':', [], '', 6, /^Error: The repository \S+ has no commits!/)
test('an unknown commit', saidFirst, committed, ['-c', 'nosuch'], '', 5, /^Error: Could not resolve commit/)
test(
  'uncommitted changes that may not go along',
  saidFirst,
  `${committed}; echo b > a`,
  [],
  'include_uncommitted: false\n',
  6,
  /^Error: Uncommitted changes to tracked files detected/,
)
test('nothing is wrong with it', saidFirst, committed, [], '', 1, /^There are some untracked files in repo/)

test('^C while code is sent leaves no pack behind', async (t) => {
  let reached: () => void = () => undefined
  const sending = new Promise<void>((resolve) => {
    reached = resolve
  })
  const { start, coordinator } = await loggedIn(t, {
    ...usual(),
    'Files/HasObject': () => ({ present: false }),
    'Files/PutObject': () => {
      reached()
      return new Promise<object>(() => undefined)
    },
  })
  const repository = await makeRepository(t)
  await repository.sh(committed)
  const TMPDIR = await temporaryFolder(t)
  const spell = start(['run', 'x'], { cwd: repository.root, env: { TMPDIR } })
  await sending
  t.regex(readdirSync(TMPDIR).join(), /^spell-code-/)
  spell.signal('SIGINT')
  const { code, stdout, stderr } = await spell.ended
  t.deepEqual([code, stdout, stderr], [130, '', '\n'])
  t.deepEqual(readdirSync(TMPDIR), [])
  t.deepEqual(coordinator.requestsOf('Runs/Submit'), [])
})

const later = test.macro<[readonly string[], string]>({
  async exec(t, args, sentence) {
    const { spell, coordinator } = await loggedIn(t, usual())
    const repository = await makeRepository(t)
    await repository.sh(`${committed}; touch untracked`)
    const { code, stderr } = await spell(['run', ...args], { cwd: repository.root })
    t.is(stderr, sentence)
    t.is(code, 1)
    t.deepEqual(coordinator.requests, [])
  },
  title: (_, args) => `refused before anything is asked or sent: spell run ${args.join(' ')}`,
})
test(later, ['--apt', 'x', 'y'], 'Error: --apt is not available yet.\n')
test(later, ['--distributed', '1', 'y'], 'Error: --distributed is not available yet.\n')
test(later, ['--distributed', '4294967297', 'y'], 'Error: --distributed is not available yet.\n')
const taken =
  'Note: -m pytest was taken as an option of spell. To give it to your command instead: spell run -- python -m pytest\n'
test(later, ['python', '-m', 'pytest'], `${taken}Error: --mount is not available yet.\n${taken}`)
