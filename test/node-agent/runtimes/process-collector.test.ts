import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { ProcessRuntime } from '../../../node-agent/runtimes/process.js'
import type { Task } from '../../../node-agent/runtimes/runtime.js'
import { testRuntime } from '../../contracts/runtime-cases.js'
import type { RuntimeCase } from '../../contracts/runtime-contract.js'
import { never, output, until, untilOutput } from '../../contracts/runtime-under-test.js'

/** The process that brings the task's output to its file. */
function catOf(task: Task): number {
  const collector = readFileSync(join(task.controlFolder, 'collector'), 'utf8').trim()
  return Number(readFileSync(`/proc/${collector}/task/${collector}/children`, 'utf8').trim())
}

const cases: Readonly<Record<string, RuntimeCase>> = {
  'what a slow collector has not taken before a kill is kept': async (t, bench) => {
    const task = await bench.start(
      'echo $$ >shell; echo ready; while [ ! -e go ]; do sleep 0.05; done; seq 5000; echo >said; sleep 100',
    )
    await untilOutput(task, 'ready')
    const cat = catOf(task)
    process.kill(cat, 'SIGSTOP')
    writeFileSync(join(task.spellFolder, 'go'), '')
    await until(() => existsSync(join(task.spellFolder, 'said')), 'the command has printed all')
    const shell = readFileSync(join(task.spellFolder, 'shell'), 'utf8').trim()
    const killed = bench.runtime.kill(task.id)
    await until(() => !existsSync(`/proc/${shell}`), 'the command is killed')
    // So long as a machine under load may let a process wait.
    await delay(400)
    process.kill(cat, 'SIGCONT')
    await killed
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 137)
    t.true(output(task).endsWith('\n5000\n'))
  },

  'a collector that does not end is not waited for for ever': async (t, bench) => {
    const task = await bench.start('echo ready; sleep 100')
    await untilOutput(task, 'ready')
    process.kill(catOf(task), 'SIGSTOP')
    await bench.runtime.kill(task.id)
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 137)
  },
}

testRuntime(test, cases, () => ({
  open: (attemptsFolder) => new ProcessRuntime({ attemptsFolder, leftoverGraceMs: 2_000 }, systemClock),
  image: 'none',
  deaf: "trap '' TERM",
}))
