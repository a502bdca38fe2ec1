import { once } from 'node:events'
import { readFile, rename } from 'node:fs/promises'
import test from 'ava'
import { ended, startCluster } from '../fixtures/cluster.js'
import { readLog } from './bad-days-follower.js'
import { parts, startWriter } from './bad-days-writer.js'

test.serial(
  'while the store is away runs are taken, stopped, killed and listed; afterwards nothing is missing',
  async (t) => {
    t.timeout(900_000)
    const cluster = await startCluster(t, { runtime: 'process', words: ['--cpus', '40', '--memory', '100G'] })
    const store = `${cluster.dir}/store`
    const going = await startWriter(cluster, { seed: 1, exitCode: 3 })
    const stopped = await startWriter(cluster, { seed: 2, exitCode: 4 })
    const killed = await startWriter(cluster, { seed: 3, exitCode: 5 })
    const followed = readLog(t, cluster, ['-f', `${going.runId}`])
    for (const writer of [going, stopped, killed]) writer.open(2)
    for (const writer of [going, stopped, killed]) await writer.wrote(2)
    await rename(store, `${store}-away`)

    const late = await startWriter(cluster, { seed: 4, exitCode: 6 })
    t.is((await cluster.spell(['stop', '-q', `${stopped.runId}`])).code, 0)
    t.is((await cluster.spell(['kill', `${killed.runId}`])).code, 0)
    for (const writer of [going, late]) writer.open(parts)
    for (const writer of [going, late, stopped, killed]) await writer.ended()
    const listed = await cluster.spell(['ps', '--json'])
    t.is((JSON.parse(listed.stdout) as unknown[]).length, 4, listed.stderr)
    // What needs bytes waits, and says what for. (Files that were open before can still be read.)
    const asked = cluster.start(['logs', '--raw', `${late.runId}`])
    // Read from the start: the bytes that can still be had come first, and a full pipe would hold up what it says.
    const answer = ended(asked)
    const [said] = (await once(asked.stderr ?? asked, 'data')) as [string]
    t.regex(said, /store.* is away/i)

    await rename(`${store}-away`, store)
    const waited = await cluster.spell([
      'wait',
      ...[going, stopped, killed, late].map(({ runId }) => `${runId}`),
    ])
    t.log(waited.stdout)
    for (const [writer, state] of [
      [going, 'complete'],
      [late, 'complete'],
      [stopped, 'stopped'],
    ] as const) {
      const info = JSON.parse((await cluster.spell(['info', '--json', `${writer.runId}`])).stdout) as object
      t.like(info, { state, exit_code: writer.exitCode })
      const note = (await readFile(`${store}/runs/${writer.runId}/note`, 'utf8')).trim().split(' ')
      const kept = await readLog(t, cluster, ['-f', `${writer.runId}`]).read
      t.like(kept, { bytes: Number(note[1]), sha256: note[2] }, `run ${writer.runId}: ${kept.stderr}`)
      if (writer === late) t.is((await answer).code, 0)
      if (writer === going) t.is((await followed.read).sha256, note[2] ?? '')
    }
    const info = JSON.parse((await cluster.spell(['info', '--json', `${killed.runId}`])).stdout) as object
    t.like(info, { state: 'killed' })
  },
)
