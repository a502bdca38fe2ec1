import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { execa } from 'execa'
import { type Ended, ended, startCluster, type TestCluster } from '../fixtures/cluster.js'
import { noDockerHere } from '../fixtures/docker.js'
import { userEnvironment } from '../fixtures/repository.js'

// A program that needs five seconds after the graceful signal to save what it has: the shell around it, however it is
// written, neither ends the run before that nor goes on to the next command.

interface Way {
  readonly way: string
  readonly command: string
  readonly words?: readonly string[]
  /** `timeout`: the run is stopped by its own; `stop`: by `spell stop`. */
  readonly by: 'stop' | 'timeout'
  readonly shows: RegExp
  readonly saves: 'a whole checkpoint' | 'what there was'
}

const train = `
import signal, sys, time
def save(*_):
    with open('ckpt', 'wb') as file:
        for step in range(50):
            file.write(b'%02d' % step * 500)
            file.flush()
            time.sleep(0.1)
    print('saved', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print('ready', flush=True)
while True:
    signal.pause()
`
const checkpoint = Array.from({ length: 50 }, (_, step) => `${step}`.padStart(2, '0').repeat(500)).join('')

const stubborn = `
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open('ckpt', 'w') as file:
    file.write('half')
os.write(1, b'ready\\n')
while True:
    time.sleep(1)
`

const whole = { saves: 'a whole checkpoint', shows: /^start\nready\nsaved\n$/ } as const

const ways: readonly Way[] = [
  { way: 'a list of commands', by: 'stop', command: 'echo start && python3 train.py; echo after', ...whole },
  {
    way: 'a list of commands over its time',
    by: 'timeout',
    command: 'echo start && python3 train.py; echo after',
    ...whole,
  },
  {
    way: 'bash -c',
    by: 'stop',
    command: `bash -c 'echo start && python3 train.py; echo after'; echo after`,
    ...whole,
  },
  {
    way: 'a child in the background',
    by: 'stop',
    command: 'echo start; python3 train.py & sleep 100000; echo after',
    ...whole,
  },
  {
    way: 'a child that nobody waits for',
    by: 'stop',
    command: 'echo start; (python3 train.py &) ; sleep 100000; echo after',
    ...whole,
  },
  {
    way: 'a program that ignores the signal',
    by: 'stop',
    command: 'echo start && python3 stubborn.py; echo after',
    words: ['--grace', '3'],
    shows: /^start\nready\n$/,
    saves: 'what there was',
  },
  {
    way: 'a program that ignores the signal, over its time',
    by: 'timeout',
    command: 'echo start && python3 stubborn.py; echo after',
    words: ['--grace', '3'],
    shows: /^start\nready\n$/,
    saves: 'what there was',
  },
]

for (const runtime of ['process', 'docker'] as const)
  test.serial(`a stop reaches the program and waits until it has saved (${runtime})`, async (t) => {
    t.timeout(600_000)
    const obstacle = runtime === 'docker' ? await noDockerHere() : undefined
    if (obstacle !== undefined) return t.fail(obstacle)
    const cluster = await startCluster(t, { runtime, words: ['--cpus', '32', '--memory', '64G'] })
    const repository = await makeTraining(cluster)
    await Promise.all(ways.map((way) => stopAndLook(t, { cluster, repository, way })))
  })

async function stopAndLook(
  t: ExecutionContext,
  { cluster, repository, way }: { cluster: TestCluster; repository: string; way: Way },
): Promise<void> {
  // Half a minute is enough to get ready in, also on a busy machine.
  const limit = way.by === 'timeout' ? ['--timeout', '0.5'] : []
  const run = cluster.start(['run', '-f', ...limit, ...(way.words ?? []), '--', way.command], repository)
  const stopping: Promise<Ended>[] = []
  let seen = ''
  run.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const before = seen
    seen += text
    if (way.by === 'stop' && !before.includes('\nready\n') && seen.includes('\nready\n'))
      stopping.push(cluster.spell(['stop', '-q', idIn(seen)]))
  })
  const said = await ended(run)
  for (const stop of await Promise.all(stopping)) t.is(stop.code, 0, `${way.way}: ${stop.stderr}`)
  const id = idIn(said.stdout)
  t.is(said.code, 0, `${way.way}: ${said.stdout}${said.stderr}`)
  t.regex(said.stdout, new RegExp(`Run ${id} stopped`), way.way)
  const log = await cluster.spell(['logs', '--raw', id])
  t.regex(log.stdout, way.shows, way.way)
  const info = JSON.parse((await cluster.spell(['info', '--json', id])).stdout) as { state: string }
  t.is(info.state, 'stopped', way.way)
  const folder = join(repository, '..', `copied-${id}`)
  await mkdir(folder)
  const copied = await cluster.spell(['cp', `runs/${id}/ckpt`, folder])
  t.is(copied.code, 0, `${way.way}: ${copied.stderr}`)
  const saved = await readFile(join(folder, 'ckpt'), 'utf8')
  t.is(saved, way.saves === 'a whole checkpoint' ? checkpoint : 'half', way.way)
}

function idIn(text: string): string {
  return /Casting spell #(\d+)/.exec(text)?.[1] ?? ''
}

async function makeTraining(cluster: TestCluster): Promise<string> {
  const home = join(cluster.dir, '..', 'home')
  const root = join(home, 'training')
  await mkdir(root, { recursive: true })
  await writeFile(join(root, 'train.py'), train)
  await writeFile(join(root, 'stubborn.py'), stubborn)
  const options = { cwd: root, env: userEnvironment(home), extendEnv: false }
  for (const words of [
    ['init', '-q'],
    ['add', '.'],
    ['commit', '-qm', 'training'],
  ])
    await execa('git', words, options)
  return root
}
