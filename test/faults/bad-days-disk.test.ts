import test from 'ava'
import { execa } from 'execa'
import { layoutOf } from '../../cli/cluster/layout.js'
import { startCluster } from '../fixtures/cluster.js'
import { killPrograms } from './bad-days-programs.js'

const diskBytes = 256 * 1024 ** 2

test.serial(
  'a node whose disk is full tells how its runs ended, saves them, and takes the next',
  async (t) => {
    t.timeout(900_000)
    const cluster = await startCluster(t, { runtime: 'process' })
    await killPrograms(cluster, ['agent'])
    const folder = layoutOf(cluster.dir).dataFolder('node-1')
    const mounted = await execa('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder], {
      reject: false,
    })
    if (mounted.exitCode !== 0) return t.pass('this user may not mount')
    t.teardown(() => execa('umount', ['--lazy', folder]))
    t.is((await cluster.up()).code, 0)
    const filling = `echo begun; head -c ${2 * diskBytes} /dev/zero > big; echo lost; truncate -s 5 big; exit 7`
    const said = await cluster.spell(['run', '-f', filling])
    t.regex(said.stdout, /^begun$/m)
    const info = JSON.parse((await cluster.spell(['info', '--json', '1'])).stdout) as object
    t.like(info, { state: 'complete', exit_code: 7, saved_files: 1 }, said.stdout + said.stderr)
    // This one leaves the disk full to its end: the whole way to the store goes without a free byte on the node.
    const staying = await cluster.spell(['run', '-f', `head -c ${2 * diskBytes} /dev/zero > big; exit 8`])
    const second = JSON.parse((await cluster.spell(['info', '--json', '2'])).stdout) as object
    t.like(second, { state: 'complete', exit_code: 8, saved_files: 1 }, staying.stdout + staying.stderr)
    const next = await cluster.spell(['run', '-f', 'echo there is room again'])
    t.is(next.code, 0, next.stdout + next.stderr)
    t.regex(next.stdout, /^there is room again$/m)
  },
)
