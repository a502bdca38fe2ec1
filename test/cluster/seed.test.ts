import { spawn } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import test from 'ava'
import { madeHereName } from '../../cli/cluster/default-image.js'
import { type Ended, ended, spellProgram, startCluster, type TestCluster } from '../fixtures/cluster.js'
import { type SeedLine, seedLines } from './seed-lines.js'

// One cluster in Docker; each line is typed into bash in a folder of its own, with `spell` on the PATH.

for (const row of seedLines) if ('todo' in row) test.todo(`waits for ${row.todo}: ${row.line}`)

test('the lines of the description do what it says, typed as printed', async (t) => {
  const cluster = await startCluster(t, { runtime: 'docker' })
  const bash = await shell(cluster, { IMAGE: madeHereName })
  for (const [index, row] of seedLines.entries()) {
    if ('todo' in row) continue
    const said = await type(bash, row, join(cluster.dir, '..', `line-${index}`))
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

type Shell = (script: string, folder: string, runId?: number) => Promise<Ended>

async function shell(cluster: TestCluster, variables: Readonly<Record<string, string>>): Promise<Shell> {
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
  return async (script, folder, runId) => {
    await mkdir(folder, { recursive: true })
    const options = { cwd: folder, env: { ...env, RUN_ID: String(runId ?? '') } }
    return await ended(spawn('bash', ['-c', script], { ...options, stdio: ['ignore', 'pipe', 'pipe'] }))
  }
}

/** Nobody sits there to answer questions, so that `-f` is given where the description leaves it out. */
async function type(
  bash: Shell,
  row: Extract<SeedLine, { shows: readonly string[] }>,
  folder: string,
): Promise<Ended & { readonly runId: number }> {
  const before = row.before === undefined ? undefined : await bash(row.before, folder)
  let runId = runIdOf(before?.stdout ?? '')
  let stdout = ''
  let last: Ended = { code: 0, stdout: '', stderr: '' }
  for (const script of (row.typed ?? row.line)
    .split(' && spell ls ')
    .map((part, index) => (index ? `spell ls ${part}` : part))) {
    last = await bash(withForce(script), folder, runId)
    stdout += last.stdout
    runId ||= runIdOf(last.stdout)
  }
  return { ...last, stdout: `\n${stdout}`, runId }
}

function withForce(script: string): string {
  return script.includes('--docker-image') ? script : script.replace(/\bspell run /, 'spell run -f ')
}

function runIdOf(text: string): number {
  return Number(/Casting spell #(\d+)/.exec(text)?.[1] ?? 0)
}
