import { createHash } from 'node:crypto'
import test from 'ava'
import { startCluster } from '../fixtures/cluster.js'
import { readLog } from './bad-days-follower.js'

const lines = process.env.SPELL_SHORT !== undefined ? 1_000_000 : 5_000_000

test.serial(
  'lines by the hundred thousand a second arrive whole, and other runs are not held up',
  async (t) => {
    t.timeout(900_000)
    const cluster = await startCluster(t, { runtime: 'process', words: ['--cpus', '8', '--memory', '16G'] })
    const submitted = await cluster.spell(['run', '-f', '-b', '--', `seq ${lines}`])
    t.is(submitted.code, 0, submitted.stderr)
    const followed = readLog(t, cluster, ['-f', '1'])
    const beside = await cluster.spell(['run', '-f', 'echo beside'])
    t.regex(beside.stdout, /^beside$/m)
    const hash = createHash('sha256')
    let bytes = 0
    for (let line = 1; line <= lines; line += 1) {
      const text = `${line}\n`
      bytes += text.length
      hash.update(text)
    }
    const sha256 = hash.digest('hex')
    const read = await followed.read
    t.like(read, { bytes, sha256, exitCode: 0 }, read.stderr)
    t.like(await readLog(t, cluster, ['1']).read, { bytes, sha256 })
  },
)
