import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { makeRepository } from '../fixtures/repository.js'
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
