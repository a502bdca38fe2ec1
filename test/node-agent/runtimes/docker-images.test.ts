import { chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { execa } from 'execa'
import { systemClock } from '../../../common/clock.js'
import { systemRandom } from '../../../common/random.js'
import { DockerRuntime } from '../../../node-agent/runtimes/docker.js'
import type { Task } from '../../../node-agent/runtimes/runtime.js'
import { findStaticBusybox } from '../../../node-agent/runtimes/static-busybox.js'
import { testRuntime } from '../../contracts/runtime-cases.js'
import type { RuntimeCase } from '../../contracts/runtime-contract.js'
import { type Bench, never, output, untilOutput } from '../../contracts/runtime-under-test.js'
import { baseImage, deriveImage, ensureBaseImage, importImage } from '../../fixtures/base-image.js'
import { findEngine, noDockerHere } from '../../fixtures/docker.js'

const reason = await noDockerHere()
const engine = reason === undefined ? await findEngine() : undefined
const socketPath = engine?.socketPath ?? ''
const bare = `spell-test-bare:${process.pid}`
/** As Alpine is: one program under many names. */
const boxed = `spell-test-boxed:${process.pid}`
const made: string[] = []

/** Started as the image's user, who owns /spell as the agent would have it. */
async function startOwned(bench: Bench, command: string, changes: Partial<Task>): Promise<Task> {
  const task = bench.task(command, changes)
  const prepared = await bench.prepare(task)
  if (prepared.owner) chownSync(task.spellFolder, prepared.owner.uid, prepared.owner.gid)
  await bench.runtime.start(task, prepared)
  return task
}

async function runsAs(t: ExecutionContext, bench: Bench, user: string): Promise<void> {
  const name = `spell-test-user-${made.length}:${process.pid}`
  made.push(name)
  await deriveImage(socketPath, { name, from: baseImage, change: `USER ${user}` })
  const command =
    "trap 'echo saved >ckpt; id -u; id -g; exit 0' TERM; echo ready >/dev/stderr; while :; do sleep 0.1; done"
  const task = await startOwned(bench, command, { image: name })
  await untilOutput(task, 'ready')
  await bench.runtime.terminate(task.id)
  t.is((await bench.runtime.wait(task.id, never)).exitCode, 0)
  const { uid, gid } = statSync(join(task.spellFolder, 'ckpt'))
  t.deepEqual(output(task).replaceAll('Terminated\n', ''), `ready\n${uid}\n${gid}\n`)
  const prepared = await bench.prepare(task)
  t.deepEqual(prepared.owner, { uid, gid })
}

const cases: Readonly<Record<string, RuntimeCase>> = {
  'an image without a shell runs a command line, and stops it': async (t, bench) => {
    const task = await startOwned(bench, '/tool/busybox echo a b && pwd; exit 3', { image: bare })
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 3)
    t.is(output(task), 'a b\n/spell\n')
    const stopped = await startOwned(bench, 'echo ready; /tool/busybox sleep 100; echo after', {
      image: bare,
    })
    await untilOutput(stopped, 'ready')
    await bench.runtime.terminate(stopped.id)
    t.is((await bench.runtime.wait(stopped.id, never)).exitCode, 143)
    t.is(output(stopped), 'ready\n')
  },

  'a stop and a kill reach a busybox of the image': async (t, bench) => {
    const words = ['busybox sleep 1000', '/.spell/busybox sleep 1000', 'busybox sh -c "busybox sleep 1000"']
    for (const command of words) {
      const stopped = await bench.start(command, { image: boxed })
      const killed = await bench.start(command, { image: boxed })
      await bench.runtime.terminate(stopped.id)
      t.is((await bench.runtime.wait(stopped.id, AbortSignal.timeout(20_000))).exitCode, 143, command)
      await bench.runtime.kill(killed.id)
      t.is((await bench.runtime.wait(killed.id, never)).exitCode, 137, command)
    }
  },

  'an image runs as the user it names, by name': (t, bench) => runsAs(t, bench, 'nobody'),
  'an image runs as the user it names, with a group': (t, bench) => runsAs(t, bench, 'daemon:games'),
  'an image runs as the user it names, by a number nobody knows': (t, bench) => runsAs(t, bench, '4321'),
  'an image runs as the user it names, by two numbers': (t, bench) => runsAs(t, bench, '4321:1234'),

  'of an image its ENV counts, and its ENTRYPOINT, CMD and WORKDIR do not': async (t, bench) => {
    const name = `spell-test-config:${process.pid}`
    made.push(name)
    const words = [
      'create',
      '--entrypoint',
      '/nonsense',
      '-w',
      '/elsewhere',
      '-e',
      'FROM_IMAGE=yes',
      '-e',
      'BOTH=image',
    ]
    const docker = ['-H', `unix://${socketPath}`]
    const { stdout } = await execa('docker', [...docker, ...words, baseImage, 'more'])
    await execa('docker', [...docker, 'commit', stdout, name])
    await execa('docker', [...docker, 'rm', stdout])
    const env = { BOTH: 'task' }
    const task = await bench.start('pwd; echo $FROM_IMAGE $BOTH', { image: name, env })
    await bench.runtime.wait(task.id, never)
    t.is(output(task), '/spell\nyes task\n')
  },

  'more memory than a task has is out of memory, beside the exit status': async (t, bench) => {
    const command = 'python3 -c "x = bytearray(1 << 30)"; exit 3'
    const task = await bench.start(command, { memoryBytes: 128 * 2 ** 20 })
    t.deepEqual(await bench.runtime.wait(task.id, never), { exitCode: 3, outOfMemory: true })
  },

  'a command is without privileges, and has its limits': async (t, bench) => {
    const command = [
      'grep -E "^(CapEff|NoNewPrivs)" /proc/self/status',
      'df -B1 --output=size /dev/shm | tail -1',
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null',
      'test -e /var/run/docker.sock || echo no socket',
      'nproc >/dev/null; mount -t tmpfs none /mnt 2>/dev/null || echo no mount',
    ]
    const task = await bench.start(command.join('\n'), { memoryBytes: 256 * 2 ** 20 })
    await bench.runtime.wait(task.id, never)
    const [capabilities = '', privileges, shm, memory, socket, mount] = output(task).split('\n')
    t.is(
      Number(`0x${capabilities.split('\t')[1]}`) & ~0x4fb,
      0,
      'CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE',
    )
    t.is(privileges, 'NoNewPrivs:\t1')
    t.is(Number(shm), 128 * 2 ** 20)
    t.is(Number(memory), 256 * 2 ** 20)
    t.is(socket, 'no socket')
    t.is(mount, 'no mount')
  },

  'an image that does not exist is NOT_FOUND or says what the registry said': async (t, bench) => {
    const missing = bench.task('true', { image: 'localhost:1/no/such-image:7' })
    const error = await t.throwsAsync(bench.prepare(missing))
    t.regex(error.message, /localhost:1\/no\/such-image:7/)
    const nonsense = bench.task('true', { image: 'Not An Image' })
    await t.throwsAsync(bench.prepare(nonsense), { code: 'INVALID_ARGUMENT' })
  },
}

if (!engine) test('there is a Docker Engine to try it on', (t) => t.fail(reason))
else {
  test.before(async (t) => {
    t.timeout(300_000)
    await ensureBaseImage(socketPath)
    const folder = mkdtempSync(join(tmpdir(), 'spell-image-'))
    mkdirSync(join(folder, 'tool'))
    copyFileSync(findStaticBusybox(undefined) ?? '', join(folder, 'tool/busybox'))
    writeFileSync(join(folder, 'tool/readme'), 'an image with one program\n')
    await importImage(socketPath, { name: bare, folder })
    mkdirSync(join(folder, 'bin'))
    for (const name of ['busybox', 'sh'])
      copyFileSync(join(folder, 'tool/busybox'), join(folder, 'bin', name))
    await importImage(socketPath, { name: boxed, folder })
    made.push(bare, boxed)
    rmSync(folder, { recursive: true })
  })
  test.after.always(async () => {
    for (const name of made)
      await execa('docker', ['-H', `unix://${socketPath}`, 'rmi', '-f', name], { reject: false })
    await engine.stop()
  })
  testRuntime(test, cases, () => ({
    open: (attemptsFolder) =>
      new DockerRuntime(
        { nodeId: 'images', attemptsFolder, socketPath },
        { clock: systemClock, random: systemRandom },
      ),
    image: baseImage,
    deaf: "trap '' TERM",
  }))
}
