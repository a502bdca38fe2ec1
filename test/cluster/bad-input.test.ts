import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import anyTest, { type TestFn } from 'ava'
import { startCluster, type TestCluster } from '../fixtures/cluster.js'

// What people type by mistake, through the whole product: each has its sentence where it belongs, and nothing else happens.

interface Shared {
  readonly cluster: TestCluster
}
const test = anyTest as TestFn<Shared>

test.before(async (t) => {
  // A cluster ends with the test that brought it up; this one with the last.
  const teardown: (() => unknown)[] = []
  const owner = Object.assign(Object.create(t), { teardown: (end: () => unknown) => teardown.push(end) })
  t.context = { cluster: await startCluster(owner, { runtime: 'process' }) }
  ends.push(...teardown)
})
const ends: (() => unknown)[] = []
test.after.always(async () => {
  for (const end of ends) await end()
})

const refused = test.macro({
  async exec(t, words: readonly string[], sentence: RegExp) {
    const { cluster } = t.context
    const before = (await cluster.status()).newest_run_id
    const said = await cluster.spell(['run', '-f', ...words])
    t.is(said.code, 1, said.stdout)
    t.regex(said.stderr, sentence)
    t.is((await cluster.status()).newest_run_id, before, 'no id was given')
  },
  title: (title) => `refused at once: ${title ?? ''}`,
})

test.serial('an unknown machine type', refused, ['-t', 'V10O', 'true'], /V10O.*V100/s)
test.serial('a command of 64 KiB', refused, [`echo ${'x'.repeat(65_536)}`], /65541 bytes; it may have 65535/)
test.serial(
  'a label with control characters',
  refused,
  ['--label', 'a\u001b[2J', 'true'],
  /control character/,
)

test.serial('a machine type that no node has is accepted and says why it waits', async (t) => {
  const { cluster } = t.context
  const said = await cluster.spell(['run', '-f', '-b', '-t', 'V100x2', 'true'])
  t.is(said.code, 0, said.stderr)
  const id = /#(\d+)/.exec(said.stdout)?.[1] ?? ''
  const info = JSON.parse((await cluster.spell(['info', '--json', id])).stdout) as Record<string, unknown>
  t.is(info.state, 'machine_requested')
  t.regex(String(info.reason), /V100/)
  t.is((await cluster.spell(['kill', id])).code, 0)
})

test.serial(
  'a command that does not start ends the run with the status and the words of its shell',
  async (t) => {
    const said = await t.context.cluster.spell(['run', '-f', '--exit-code', 'no-such-program --at all'])
    t.is(said.code, 127, said.stderr)
    t.regex(said.stdout, /no-such-program: (command )?not found/)
    t.regex(said.stdout, /Run \d+ complete/)
  },
)

test.serial('a command that begins with a dash is a command, and no option of the shell', async (t) => {
  const said = await t.context.cluster.spell(['run', '-f', '--exit-code', '--', '--at all'])
  t.is(said.code, 127, said.stderr)
  t.regex(said.stdout, /--at: (command )?not found/)
})

test.serial('a wrong token is told from a cluster that is away', async (t) => {
  const { cluster } = t.context
  const file = join(cluster.spellDir, 'config')
  const config = await readFile(file, 'utf8')
  t.regex(config, /token: \S+/)
  await writeFile(
    file,
    config.replaceAll(/token: \S+/g, 'token: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'),
  )
  const said = await cluster.spell(['ps'])
  await writeFile(file, config)
  t.is(said.code, 1)
  t.regex(said.stderr, /token.*spell login/is)
})

test.serial('a reader that goes away ends the program quietly, and not the run', async (t) => {
  const { cluster } = t.context
  const run = cluster.start([
    'run',
    '-f',
    'mkfifo gate; yes | head -c 3000000; read -r line < gate; echo $line',
  ])
  let stderr = ''
  run.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const closed = once(run, 'close')
  const [first] = (await once(run.stdout ?? run, 'data')) as [Buffer]
  run.stdout?.destroy()
  await closed
  t.notRegex(stderr, /error|EPIPE/i)
  const id = /#(\d+)/.exec(first.toString())?.[1] ?? ''
  const reading = cluster.start(['logs', '-f', '--raw', id])
  let kept = ''
  const isAtTheGate = new Promise<void>((resolve) => {
    reading.stdout?.setEncoding('utf8').on('data', (text: string) => {
      kept += text
      if (kept.length >= 3_000_000) resolve()
    })
  })
  const read = once(reading, 'close')
  await isAtTheGate
  await writeFile(join(cluster.dir, `data/node-1/attempts/${id}.1/spell/gate`), 'through the gate\n')
  await read
  t.is(kept, `${'y\n'.repeat(1_500_000)}through the gate\n`)
})
