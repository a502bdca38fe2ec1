import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { execa } from 'execa'
import type { Task } from '../../node-agent/runtimes/runtime.js'
import { pidOf, processesIn } from '../fixtures/processes.js'
import type { Starting } from '../fixtures/starting-process.js'
import type { RuntimeCase } from './runtime-contract.js'
import { type Bench, never, output, outputHash, until, untilOutput } from './runtime-under-test.js'

/** A program that needs six seconds on SIGTERM to write its checkpoint, longer than what a command leaves behind gets. */
const trainer = `
save() {
  echo saving
  for second in 1 2 3 4 5 6; do sleep 1; done
  printf 'whole checkpoint' >ckpt
  echo saved
  exit 0
}
trap save TERM
echo ready
while :; do sleep 0.1; done
`

/** How people write commands in which a program saves when it is stopped; none may be hurried or followed by `after`. */
const saving: readonly string[] = [
  'echo start && sh train.sh; echo after',
  'bash -c "sh train.sh; echo after"; echo after',
  'sh train.sh & wait; echo after',
  '(sh train.sh; echo after); echo after',
  'sh train.sh & sleep 1000; echo after',
  'setsid sh train.sh; echo after',
]

/** Without what a shell says about a `sleep` that was ended. */
function said(task: Task): string {
  return output(task).replaceAll('Terminated\n', '')
}

async function stopSaves(t: ExecutionContext, bench: Bench, command: string): Promise<void> {
  const task = bench.task(command)
  writeFileSync(join(task.spellFolder, 'train.sh'), trainer)
  await bench.runtime.start(task, await bench.prepare(task))
  await untilOutput(task, 'ready')
  await bench.runtime.terminate(task.id)
  await bench.runtime.wait(task.id, never)
  t.is(readFileSync(join(task.spellFolder, 'ckpt'), 'utf8'), 'whole checkpoint', command)
  t.true(said(task).endsWith('saved\n'), `${command}: ${output(task)}`)
  t.false(output(task).includes('after'), command)
}

/** Bytes that no text has, and lines of a mebibyte. */
function binary(): Buffer {
  const line = Buffer.alloc(1024 * 1024, 'ü')
  const every = Buffer.from(Array.from({ length: 256 }, (_none, index) => index))
  return Buffer.concat([every, line, Buffer.from('\r\n\0\xff', 'latin1'), line, every])
}

/** What only runtimes with real processes can promise; Docker and plain processes alike. */
export const processContract: Readonly<Record<string, RuntimeCase>> = {
  'a stop waits for what saves, however the command is written': async (t, bench) => {
    t.timeout(120_000)
    await Promise.all(saving.map((command) => stopSaves(t, bench, command)))
  },

  'every byte is in the output: binary, lines of a mebibyte': async (t, bench) => {
    const task = bench.task('cat printed; cat printed >&2')
    const printed = binary()
    writeFileSync(join(task.spellFolder, 'printed'), printed)
    await bench.runtime.start(task, await bench.prepare(task))
    await bench.runtime.wait(task.id, never)
    const twice = createHash('sha256').update(printed).update(printed).digest('hex')
    t.is(outputHash(task), twice)
  },

  'a flood of lines is kept whole': async (t, bench) => {
    const task = await bench.start('seq 1000000')
    await bench.runtime.wait(task.id, never)
    t.is(output(task).length, 6_888_896)
    t.true(output(task).endsWith('999999\n1000000\n'))
  },

  'lines are there while the command runs': async (t, bench) => {
    const task = await bench.start('echo early; sleep 100')
    await untilOutput(task, 'early\n')
    t.is(await bench.runtime.inspect(task.id), 'running')
  },

  'its own processes are told from others, also by a new agent': async (t, bench) => {
    const seconds = `1000.${process.pid}${Math.floor(performance.now())}`
    const task = await bench.start(`(setsid sleep ${seconds} &); echo ready; sleep 1000`)
    await untilOutput(task, 'ready')
    const other = await bench.start('sleep 1000')
    let pid: number | undefined
    await until(() => {
      pid = pidOf(`sleep\0${seconds}\0`)
      return pid !== undefined
    }, 'the command runs')
    bench.reopen()
    const asked = [pid ?? 0, process.pid, 1, 4_194_303]
    t.deepEqual([...(await bench.runtime.owned(asked))], [pid ?? 0])
    for (const { id } of [task, other]) await bench.runtime.kill(id)
  },

  'what was written before a kill is kept': async (t, bench) => {
    const task = await bench.start('seq 200000; echo end; sleep 100')
    await untilOutput(task, '\n1000\n')
    await until(() => output(task).includes('end') || output(task).length > 1000, 'some output is there')
    await untilOutput(task, 'end')
    await bench.runtime.kill(task.id)
    await bench.runtime.wait(task.id, never)
    t.is(output(task).length, 1_288_899)
  },

  'stdout and stderr are opened by name, and nobody can shorten the output': async (t, bench) => {
    const task = await bench.start(
      'echo one; echo two >/dev/stderr; echo three >/dev/stdout; : >/proc/self/fd/1; echo four',
    )
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 0)
    t.is(output(task), 'one\ntwo\nthree\nfour\n')
  },

  'past its limit the output is dropped and the command is not held up': async (t, bench) => {
    const task = await bench.start('seq 1000000; exit 9', { outputLimitBytes: 4096 })
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 9)
    t.is(output(task).length, 4096)
  },

  'a command that closes its output is waited for': async (t, bench) => {
    const task = await bench.start('exec >&- 2>&-; sleep 1; echo late >file; exit 8')
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 8)
    t.is(readFileSync(join(task.spellFolder, 'file'), 'utf8'), 'late\n')
  },

  'what a command leaves behind is ended, also in another session, or deaf': async (t, bench) => {
    const left = [
      'sh -c \'trap "echo told >told; exit" TERM; while :; do sleep 0.1; done\' &',
      'setsid sleep 1000 >/dev/null 2>&1 &',
      'sh -c \'trap "" TERM; sleep 1000\' >/dev/null 2>&1 &',
      'env -i setsid sleep 1000 &',
    ]
    const task = await bench.start(`${left.join('\n')}\nsleep 0.5; echo end`)
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 0)
    t.is(said(task), 'end\n')
    t.is(readFileSync(join(task.spellFolder, 'told'), 'utf8'), 'told\n')
    t.deepEqual(processesIn(task.spellFolder), [])
  },

  'a terminate reaches what left the session, and kill what is deaf there': async (t, bench) => {
    const task = await bench.start(
      'setsid sh -c \'trap "echo told; exit" TERM; echo ready; while :; do sleep 0.1; done\' & wait; wait',
    )
    await untilOutput(task, 'ready')
    await bench.runtime.terminate(task.id)
    await bench.runtime.wait(task.id, never)
    t.is(said(task), 'ready\ntold\n')
    const deaf = await bench.start('setsid sh -c \'trap "" TERM; echo ready; sleep 1000\' & wait; wait')
    await untilOutput(deaf, 'ready')
    await bench.runtime.terminate(deaf.id)
    await bench.runtime.kill(deaf.id)
    await bench.runtime.wait(deaf.id, never)
    t.deepEqual(processesIn(deaf.spellFolder), [])
  },

  'SIGTERM comes once, also when it is asked for twice': async (t, bench) => {
    const task = await bench.start("trap 'echo told; sleep 1' TERM; echo ready; while :; do sleep 0.1; done")
    await untilOutput(task, 'ready')
    await bench.runtime.terminate(task.id)
    bench.reopen()
    await untilOutput(task, 'told')
    await bench.runtime.terminate(task.id)
    await untilOutput(task, 'told')
    await bench.runtime.kill(task.id)
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 137)
    t.is(said(task), 'ready\ntold\n')
  },

  'a command has the environment of its task, and its signals are as usual': async (t, bench) => {
    const task = await bench.start('env; grep -E "^Sig(Ign|Blk)" /proc/self/status; pwd', {
      env: { PATH: '/usr/bin:/bin', HOME: '/tmp', NAME: "a 'quoted' $value" },
    })
    await bench.runtime.wait(task.id, never)
    const lines = output(task).split('\n')
    t.true(lines.includes("NAME=a 'quoted' $value"))
    t.true(lines.includes('PATH=/usr/bin:/bin'))
    t.deepEqual(
      lines.filter((line) => line.startsWith('Sig')),
      ['SigBlk:\t0000000000000000', 'SigIgn:\t0000000000000000'],
    )
    const shells = ['PWD', 'SHLVL', '_', 'OLDPWD']
    const names = lines.filter((line) => /^\w+=/.test(line)).map((line) => line.replace(/=.*/, ''))
    t.deepEqual(names.filter((name) => ![...shells, ...bench.extraVariables].includes(name)).sort(), [
      'HOME',
      'NAME',
      'PATH',
    ])
  },

  'a task outlives the process that started it, with every byte': async (t, bench) => {
    const { name } = bench.runtime
    if (name === 'dummy') return t.fail()
    const task = bench.task('for i in $(seq 30); do echo $i; cat printed; sleep 0.1; done; exit 12')
    writeFileSync(join(task.spellFolder, 'printed'), binary())
    const starting: Starting = { runtime: name, attemptsFolder: bench.folder, task }
    const program = fileURLToPath(new URL('../fixtures/starting-process.js', import.meta.url))
    const agent = execa('node', [program, JSON.stringify(starting)], { reject: false, buffer: false })
    await once(agent.stdout, 'data')
    agent.kill('SIGKILL')
    await agent
    t.is(await bench.runtime.inspect(task.id), 'running')
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 12)
    const expected = createHash('sha256')
    for (let index = 1; index <= 30; index += 1) expected.update(`${index}\n`).update(binary())
    t.is(outputHash(task), expected.digest('hex'))
  },

  'a run that fills its disk ends with its own exit status': async (t, bench) => {
    await onSmallDisk(t, bench, async () => {
      const command =
        'head -c 300000 /dev/zero; echo said; head -c 2000000 /dev/zero >full; seq 100000; exit 14'
      const task = await bench.start(command)
      t.is((await bench.runtime.wait(task.id, never)).exitCode, 14)
      t.true(output(task).includes('said'))
      bench.reopen()
      t.is((await bench.runtime.wait(task.id, never)).exitCode, 14)
      await bench.runtime.remove(task.id)
    })
  },

  'a stop and a kill reach runs whose disk is full': async (t, bench) => {
    await onSmallDisk(t, bench, async () => {
      const stopped = await bench.start("trap 'exit 15' TERM; echo ready; while :; do sleep 0.1; done")
      const killed = await bench.start("trap '' TERM; echo ready; while :; do sleep 0.1; done")
      for (const task of [stopped, killed]) await untilOutput(task, 'ready')
      const fills = await bench.start('head -c 2000000 /dev/zero >full')
      await bench.runtime.wait(fills.id, never)
      t.is(statfsSync(bench.folder).bavail, 0)
      await bench.runtime.terminate(stopped.id)
      t.is((await bench.runtime.wait(stopped.id, never)).exitCode, 15)
      await bench.runtime.kill(killed.id)
      t.is((await bench.runtime.wait(killed.id, never)).exitCode, 137)
      for (const { id } of [stopped, killed, fills]) await bench.runtime.remove(id)
    })
  },

  'a log goes on, with a mark, once a full disk has room again': async (t, bench) => {
    await onSmallDisk(t, bench, async () => {
      const command = [
        'echo early',
        'until [ -e full ]; do sleep 0.05; done; seq 100000; echo >held',
        'until [ ! -e full ]; do sleep 0.05; done; for i in 1 2 3 4 5; do seq 10; sleep 0.1; done; echo late; exit 16',
      ]
      const task = await bench.start(command.join('\n'))
      await untilOutput(task, 'early')
      const full = join(bench.folder, 'full')
      fill(full)
      renameSync(full, join(task.spellFolder, 'full'))
      // The command is not held up by what has no room.
      await until(() => existsSync(join(task.spellFolder, 'held')), 'the command went on')
      rmSync(join(task.spellFolder, 'full'))
      t.is((await bench.runtime.wait(task.id, never)).exitCode, 16)
      t.regex(
        output(task),
        /^early\n[\d\n]*\n\[spell\] The disk of the node was full\..*\n[\d\n]*\n10\nlate\n$/,
      )
      t.is(output(task).split('[spell]').length, 2)
      await bench.runtime.remove(task.id)
    })
  },

  'it runs in its working folder': async (t, bench) => {
    const task = await bench.start('mkdir -p deep/er; cd deep && echo here >file')
    await bench.runtime.wait(task.id, never)
    t.true(existsSync(join(task.spellFolder, 'deep/file')))
  },

  'a command of 60 KiB is run, and an unknown one says so': async (t, bench) => {
    const long = await bench.start(`echo ${'x'.repeat(60 * 1024)}`)
    const unknown = await bench.start('no-such-program')
    t.is((await bench.runtime.wait(long.id, never)).exitCode, 0)
    t.is(output(long).length, 60 * 1024 + 1)
    t.is((await bench.runtime.wait(unknown.id, never)).exitCode, 127)
    t.regex(output(unknown), /no-such-program.*not found/)
  },

  'a command that kills all it can is ended, and nothing else is': async (t, bench) => {
    const bystander = await bench.start('sleep 100')
    const task = await bench.start('echo before; kill -9 0; sleep 100')
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 137)
    t.is(await bench.runtime.inspect(bystander.id), 'running')
  },
}

/** Takes all the room there is. */
function fill(file: string): void {
  const piece = Buffer.alloc(4096)
  try {
    for (;;) appendFileSync(file, piece)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

/** With everything of the bench on a mebibyte of memory; nothing that is started may be left by then. */
async function onSmallDisk(t: ExecutionContext, bench: Bench, body: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) {
    t.pass('a small disk takes root')
    return
  }
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', bench.folder])
  try {
    await body()
  } finally {
    await execa('umount', ['--lazy', bench.folder])
  }
}
