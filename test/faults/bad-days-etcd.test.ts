import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { startCluster } from '../fixtures/cluster.js'
import { pauseProcess, resumeProcess } from '../fixtures/pause.js'
import { readLog } from './bad-days-follower.js'
import { processOf } from './bad-days-programs.js'
import { parts, startWriter } from './bad-days-writer.js'

/** Long enough for the lease of the leader to end several times. */
const awayMs = process.env.SPELL_SHORT !== undefined ? 15_000 : 30_000

test.serial(
  'while etcd is away nobody leads and everyone says so; runs go on, and nothing is lost',
  async (t) => {
    t.timeout(900_000)
    const cluster = await startCluster(t, { runtime: 'process', words: ['--cpus', '40', '--memory', '100G'] })
    const etcd = processOf(cluster, 'etcd')
    t.teardown(() => resumeIfThere(etcd))
    const going = await startWriter(cluster, { seed: 1, exitCode: 3 })
    const ending = await startWriter(cluster, { seed: 2, exitCode: 4 })
    const followed = [going, ending].map((writer) => readLog(t, cluster, ['-f', `${writer.runId}`]))
    for (const writer of [going, ending]) writer.open(1)
    for (const writer of [going, ending]) await writer.wrote(1)
    const before = going.identity()

    await pauseProcess(etcd)
    const submitting = cluster.spell(['run', '-f', '-b', '--', 'echo taken once'])
    going.open(2)
    ending.open(parts)
    await going.wrote(2)
    await ending.ended()
    await delay(awayMs)
    resumeProcess(etcd)

    const submitted = await submitting
    t.is(submitted.code, 0, submitted.stderr)
    t.regex(submitted.stdout, /Casting spell #3/)
    t.is(going.identity(), before, 'the run was left alone')
    going.open(parts)
    await cluster.spell(['wait', `${going.runId}`, `${ending.runId}`, '3'])
    for (const [index, writer] of [going, ending].entries()) {
      const info = JSON.parse((await cluster.spell(['info', '--json', `${writer.runId}`])).stdout) as object
      t.like(info, { state: 'complete', exit_code: writer.exitCode, attempt: 1 })
      const kept = await readLog(t, cluster, [`${writer.runId}`]).read
      const read = await followed[index]?.read
      t.is(read?.sha256, kept.sha256, read?.stderr)
      t.is(read?.bytes, kept.bytes)
    }
    const listed = await cluster.spell(['ps', '--json'])
    t.is((JSON.parse(listed.stdout) as unknown[]).length, 3, 'the run that was sent meanwhile was taken once')
  },
)

function resumeIfThere(pid: number): void {
  try {
    resumeProcess(pid)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
