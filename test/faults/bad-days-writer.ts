import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { layoutOf } from '../../cli/cluster/layout.js'
import { processesWith } from '../../cli/cluster/process-table.js'
import type { TestCluster } from '../fixtures/cluster.js'

// A run that prints what logs break on: bytes that are no text, lines of 1 MiB, characters split between writes, lines that
// end in a carriage return. It prints a part when a file `gate-<part>` appears beside it, so that a test says what is written
// while what is dead. In `note` it says how far it is and the hash of all it has printed.

export const parts = 10

const program = `
import hashlib, os, random, signal, sys, time
seed, code, parts, digest, total, asked = int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), hashlib.sha256(), 0, []
source = random.Random(seed)
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
def write(data, most):
    global total
    digest.update(data)
    total += len(data)
    while data:
        data = data[os.write(1, data[:source.randint(1, most)]):]
def note(part):
    with open('note.new', 'w') as file:
        file.write('%d %d %s\\n' % (part, total, digest.hexdigest()))
    os.rename('note.new', 'note')
note(0)
for part in range(1, parts + 1):
    while not asked and not os.path.exists('gate-%d' % part):
        time.sleep(0.02)
    if asked:
        break
    write(source.randbytes(100_000), 9_000)
    write(b'x' * (1 << 20) + b'\\n', 200_000)
    write('Gr\\u00fc\\u00dfe, \\u4e16\\u754c \\U0001f600\\r'.encode() * 50 + b'\\n', 7)
    note(part)
sys.exit(code)
`

/** `part` counts from 0; all of `bytes` bytes printed so far have this SHA-256. */
export interface Note {
  readonly part: number
  readonly bytes: number
  readonly sha256: string
}

export interface Writer {
  readonly runId: number
  readonly exitCode: number
  /** Opens the gates of all parts up to this one. */
  open(part: number): void
  note(): Note
  /** The run has said that it has printed this part. */
  wrote(part: number): Promise<void>
  /** `pid` and start time of its process on this machine; none when it has ended. */
  identity(): string
  ended(): Promise<void>
}

export async function startWriter(
  cluster: TestCluster,
  options: { readonly seed: number; readonly exitCode: number },
): Promise<Writer> {
  const { seed, exitCode } = options
  // Nobody else's process has this word.
  const mark = createHash('sha256').update(`${cluster.dir} ${seed}`).digest('hex')
  const command = `exec python3 - ${mark} ${seed} ${exitCode} ${parts} <<'END'\n${program}END`
  const said = await cluster.spell(['run', '-b', '-f', '--', command])
  const runId = Number(/Casting spell #(\d+)/.exec(said.stdout)?.[1])
  if (!runId) throw new Error(`The run was not taken: ${said.stdout}${said.stderr}`)
  const folder = join(layoutOf(cluster.dir).dataFolder('node-1'), 'attempts', `${runId}.1`, 'spell')
  const note = (): Note => {
    const [part, bytes, sha256 = ''] = readFileSync(join(folder, 'note'), 'utf8').trim().split(' ')
    return { part: Number(part), bytes: Number(bytes), sha256 }
  }
  const identity = () =>
    processesWith(mark)
      .map(({ pid, startTime }) => `${pid} ${startTime}`)
      .join()
  return {
    runId,
    exitCode,
    note,
    identity,
    open(part) {
      mkdirSync(folder, { recursive: true })
      for (let one = 1; one <= part; one += 1) writeFileSync(join(folder, `gate-${one}`), '')
    },
    wrote: (part) => until(() => existsSync(join(folder, 'note')) && note().part >= part),
    ended: () => until(() => identity() === ''),
  }
}

/** Looks again and again: what is waited for here are files and processes of programs that know nothing of tests. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(20)
}
