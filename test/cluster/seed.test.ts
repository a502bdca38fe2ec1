import { spawn } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import test from 'ava'
import { madeHereName } from '../../cli/cluster/default-image.js'
import { type Ended, ended, spellProgram, startCluster, type TestCluster } from '../fixtures/cluster.js'
import { type SeedLine, seedLines } from './seed-lines.js'

// One cluster in Docker; each line is typed on a terminal in a folder of its own, with `spell` on the PATH, and whatever it
// asks is answered by Enter.

for (const row of seedLines) if ('todo' in row) test.todo(`waits for ${row.todo}: ${row.line}`)

test('the lines of the description do what it says, typed as printed', async (t) => {
  const cluster = await startCluster(t, { runtime: 'docker' })
  const shell = await shellOf(cluster, { IMAGE: madeHereName })
  for (const [index, row] of seedLines.entries()) {
    if ('todo' in row) continue
    const said = await enter(shell, row, join(cluster.dir, '..', `line-${index}`))
    for (const wanted of row.shows) {
      const expected = wanted.replace('$RUN_ID', String(said.runId))
      t.true(
        said.stdout.includes(expected),
        `${row.line}\nshould show ${expected}\n${said.stdout}${said.stderr}`,
      )
    }
    t.is(said.code, 0, `${row.line}\n${said.stderr}`)
  }
})

interface Shell {
  /** In a shell script: nobody could answer. */
  run(script: string, folder: string): Promise<Ended>
  /** On a terminal; what it showed in the end is on stdout. */
  type(line: string, folder: string, runId: number): Promise<Ended>
}

async function shellOf(cluster: TestCluster, variables: Readonly<Record<string, string>>): Promise<Shell> {
  const bin = join(cluster.dir, '..', 'bin')
  await mkdir(bin)
  await writeFile(join(bin, 'spell'), `#!/bin/sh\nexec ${process.execPath} ${spellProgram} "$@"\n`)
  await chmod(join(bin, 'spell'), 0o755)
  const identity = { GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@example.org' }
  const committer = { GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@example.org' }
  const env = {
    ...{
      ...variables,
      ...identity,
      ...committer,
      LANG: 'C.UTF-8',
      SPELL_DIR: cluster.spellDir,
      HOME: cluster.dir,
    },
    PATH: [bin, process.env.PATH].join(delimiter),
  }
  return {
    async run(script, folder) {
      await mkdir(folder, { recursive: true })
      const child = spawn('bash', ['-c', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
      return await ended(child)
    },
    async type(line, folder, runId) {
      await mkdir(folder, { recursive: true })
      const terminal = ['-qefc', `stty cols 200 rows 50; ${line}`, '/dev/null']
      const child = spawn('script', terminal, {
        cwd: folder,
        env: { ...env, TERM: 'xterm', SHELL: '/bin/bash', RUN_ID: String(runId) },
        stdio: 'pipe',
      })
      let unanswered = ''
      child.stdout.on('data', (shown: Buffer) => {
        unanswered += shown.toString()
        if (!unanswered.includes('[Y/n]')) return
        unanswered = ''
        child.stdin.write('\n')
      })
      const end = await ended(child)
      return { ...end, stdout: asSeen(end.stdout) }
    },
  }
}

/** What a terminal shows in the end: without escape sequences, and of each line what was written over it last. */
function asSeen(written: string): string {
  const plain = written.replace(/\u001b\[[\d;?]*[A-Za-z]/g, '').replaceAll('\r\n', '\n')
  return plain
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf('\r') + 1))
    .join('\n')
}

async function enter(
  shell: Shell,
  row: Extract<SeedLine, { shows: readonly string[] }>,
  folder: string,
): Promise<Ended & { readonly runId: number }> {
  const before = row.before === undefined ? undefined : await shell.run(row.before, folder)
  let runId = runIdOf(before?.stdout ?? '')
  let stdout = ''
  let last: Ended = { code: 0, stdout: '', stderr: '' }
  for (const script of (row.typed ?? row.line)
    .split(' && spell ls ')
    .map((part, index) => (index ? `spell ls ${part}` : part))) {
    last = await shell.type(script, folder, runId)
    stdout += last.stdout
    runId ||= runIdOf(last.stdout)
  }
  return { ...last, stdout: `\n${stdout}`, runId }
}

function runIdOf(text: string): number {
  return Number(/Casting spell #(\d+)/.exec(text)?.[1] ?? 0)
}
