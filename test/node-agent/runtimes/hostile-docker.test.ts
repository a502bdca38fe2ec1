import { lstatSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { execa } from 'execa'
import { systemClock } from '../../../common/clock.js'
import { systemRandom } from '../../../common/random.js'
import { DockerRuntime } from '../../../node-agent/runtimes/docker.js'
import { testRuntime } from '../../contracts/runtime-cases.js'
import type { RuntimeCase } from '../../contracts/runtime-contract.js'
import { never, output, untilOutput } from '../../contracts/runtime-under-test.js'
import { baseImage, deriveImage, ensureBaseImage } from '../../fixtures/base-image.js'
import { findEngine, noDockerHere } from '../../fixtures/docker.js'

const reason = await noDockerHere()
const engine = reason === undefined ? await findEngine() : undefined
const socketPath = engine?.socketPath ?? ''
const ordinary = `spell-test-ordinary:${process.pid}`
const outside = mkdtempSync(join(tmpdir(), 'spell-outside-'))

/** A file of the machine that no run may touch. */
function precious(name: string): string {
  const file = join(outside, name)
  writeFileSync(file, 'precious\n')
  return file
}

/** Puts links to the file wherever the runtime might open one, as root of the container. */
function linksTo(file: string): string {
  return [
    'for folder in /.spell /.spell/control /.spell/run; do',
    '  for name in terminating terminated exit keeper output; do',
    `    rm -f $folder/$name; ln -s ${file} $folder/$name`,
    '  done',
    'done 2>/dev/null',
  ].join('\n')
}

const cases: Readonly<Record<string, RuntimeCase>> = {
  'a run can not lead what the agent notes to another file': async (t, bench) => {
    const file = precious('noted')
    const task = await bench.start(`${linksTo(file)}\necho ready; sleep 100`)
    await untilOutput(task, 'ready')
    await bench.runtime.terminate(task.id)
    await bench.runtime.kill(task.id)
    await bench.runtime.wait(task.id, never)
    t.is(readFileSync(file, 'utf8'), 'precious\n')
  },

  'a run can not have a file given to it when it is adopted': async (t, bench) => {
    const file = precious('given')
    const before = statSync(file)
    // USER is a user without rights here: a link that was followed would give the file away.
    const task = bench.task(`${linksTo(file)}\necho ready; sleep 100`, { image: ordinary })
    const prepared = await bench.prepare(task)
    await bench.runtime.start(task, prepared)
    await untilOutput(task, 'ready')
    bench.reopen()
    await bench.runtime.start(task, prepared)
    const after = statSync(file)
    t.deepEqual([after.uid, after.gid, after.mode], [before.uid, before.gid, before.mode])
  },

  'a run that has removed its working folder is adopted': async (t, bench) => {
    const task = await bench.start('mkdir deep; echo made; sleep 0.3; exit 4')
    await untilOutput(task, 'made')
    bench.reopen()
    const prepared = await bench.prepare(task)
    rmSync(join(task.spellFolder, 'deep'), { recursive: true })
    await bench.runtime.start({ ...task, workingDirectory: 'deep' }, prepared)
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 4)
  },

  'a pipe in place of the exit status holds nobody up': async (t, bench) => {
    const commands = ['/.spell/control/exit', '/.spell/exit'].map(
      (note) => `rm -f ${note}; mkfifo ${note}; echo tried; exit 5`,
    )
    for (const command of commands) {
      const task = await bench.start(command)
      t.is((await bench.runtime.wait(task.id, never)).exitCode, 5)
      t.true(output(task).includes('tried'))
      t.true(lstatSync(join(task.controlFolder, 'exit')).isFile())
    }
  },

  'a run can not make its exit status long': async (t, bench) => {
    const task = await bench.start('truncate -s 1T /.spell/exit; exit 6')
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 6)
  },

  'nothing of a run is left for the next one in the same folder': async (t, bench) => {
    const task = await bench.start(': >/.spell/exit; : >/.spell/control/terminating; kill -9 -1; sleep 100')
    await bench.runtime.wait(task.id, never)
    await bench.runtime.terminate(task.id)
    await bench.runtime.remove(task.id)
    const next = await bench.start('echo next; exit 7', { id: task.id })
    t.is((await bench.runtime.wait(next.id, never)).exitCode, 7)
    t.true(output(next).endsWith('next\n'))
  },
}

if (!engine) test('there is a Docker Engine to try it on', (t) => t.fail(reason))
else {
  test.before(async (t) => {
    t.timeout(300_000)
    await ensureBaseImage(socketPath)
    await deriveImage(socketPath, { name: ordinary, from: baseImage, change: 'USER 4321:4321' })
  })
  test.after.always(async () => {
    await execa('docker', ['-H', `unix://${socketPath}`, 'rmi', '-f', ordinary], { reject: false })
    rmSync(outside, { recursive: true, force: true })
    await engine.stop()
  })
  testRuntime(test, cases, () => ({
    open: (attemptsFolder) =>
      new DockerRuntime(
        { nodeId: 'hostile', attemptsFolder, socketPath },
        { clock: systemClock, random: systemRandom },
      ),
    image: baseImage,
    deaf: "trap '' TERM",
  }))
}
