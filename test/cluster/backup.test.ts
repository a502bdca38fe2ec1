import { existsSync } from 'node:fs'
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'
import { processesWith } from '../../cli/cluster/process-table.js'
import { startCluster, type TestCluster } from '../fixtures/cluster.js'

// A backup, ten runs after it, everything but the runs and their agents' disks gone, and the backup restored.

test.serial(
  'a cluster restored from a backup gives no id twice and takes over the runs that went on',
  async (t) => {
    const cluster = await startCluster(t, {
      runtime: 'process',
      words: ['--cpus', '64', '--memory', '256G'],
    })
    const file = join(dirname(cluster.dir), 'backup.db')
    await begin(cluster, 'echo one > one.txt')
    t.is((await cluster.spell(['wait', '1'])).code, 0)
    await begin(cluster, gated)
    await running(cluster, 2)

    const taken = await cluster.spell(['cluster', 'backup', file, '--json'])
    t.is(taken.code, 0, taken.stderr)
    t.like(JSON.parse(taken.stdout), {
      file,
      bytes: (await stat(file)).size,
      newest_run_id: 2,
      store_directory: join(cluster.dir, 'store'),
      cluster_key_file: join(cluster.dir, 'trust/cluster.key'),
    })
    t.is((await stat(file)).mode & 0o777, 0o600)
    const again = await cluster.spell(['cluster', 'backup', file])
    t.is(again.code, 1)
    t.regex(again.stderr, /is there already\. Use -f/)
    t.is((await cluster.spell(['cluster', 'backup', '-f', `${file}.2`])).code, 0)
    t.deepEqual(
      (await readdir(dirname(file))).filter((name) => name.endsWith('.part')),
      [],
    )

    for (let id = 3; id <= 9; id += 1) await begin(cluster, `echo ${id} > out.txt`)
    t.is((await cluster.spell(['wait', '3', '4', '5', '6', '7', '8', '9'])).code, 0)
    for (let id = 10; id <= 12; id += 1) await begin(cluster, gated)
    for (let id = 10; id <= 12; id += 1) await running(cluster, id)

    await crash(cluster)
    const restored = await cluster.spell(['cluster', 'restore', file, '--dir', cluster.dir])
    t.is(restored.code, 0, restored.stderr)
    t.regex(
      restored.stdout,
      /^Restored: revision \d+, \d+ keys, .* What was there before is in .*etcd\.before-/,
    )
    t.regex(restored.stderr, /spell cluster up --dir .*spell cluster repair/s)
    t.is((await cluster.up()).code, 0)

    const refused = await cluster.spell(['run', '-f', '-b', 'true'])
    t.is(refused.code, 1)
    t.regex(refused.stderr, /restored from .*backup.*`spell cluster repair`/)
    const repaired = await cluster.spell(['cluster', 'repair'])
    t.is(repaired.code, 0, repaired.stderr)
    t.regex(repaired.stdout, /^The newest run that node node-1 knows of is 12\.$/m)
    t.regex(repaired.stdout, /The newest run is 12 now; etcd had it at 2\. Runs are accepted again\./)
    t.regex((await cluster.spell(['cluster', 'repair'])).stdout, /There was nothing to repair/)
    t.regex((await cluster.spell(['run', '-f', 'echo after'])).stdout, /Casting spell #13/)

    for (const id of [2, 10, 11, 12]) await openGate(cluster, id)
    t.is((await cluster.spell(['wait', '2', '10', '11', '12'])).code, 0)
    for (const id of [2, 10, 11, 12]) {
      t.regex((await cluster.spell(['logs', `${id}`])).stdout, new RegExp(`^through ${id}$`, 'm'))
      t.regex((await cluster.spell(['ls', `runs/${id}`])).stdout, / out\.txt$/m)
      t.regex((await cluster.spell(['info', `${id}`])).stdout, /complete \(0\)/)
    }
    t.regex((await cluster.spell(['ls', 'runs/1'])).stdout, / one\.txt$/m)
    const listed = (await cluster.spell(['ps', '--json'])).stdout
    for (const id of [1, 2, 10, 11, 12, 13]) t.regex(listed, new RegExp(`"id": ?${id},`))
  },
)

test.serial('what is no whole backup, or of a cluster that is up, changes nothing', async (t) => {
  const cluster = await startCluster(t, { runtime: 'dummy' })
  const file = join(dirname(cluster.dir), 'backup.db')
  t.is((await cluster.spell(['cluster', 'backup', file])).code, 0)
  const restore = async (path: string) =>
    await cluster.spell(['cluster', 'restore', path, '--dir', cluster.dir])
  t.regex((await restore(file)).stderr, /is in use.*spell cluster down --dir/s)
  t.is((await cluster.spell(['cluster', 'down', '--yes', '--dir', cluster.dir])).code, 0)
  const whole = await readFile(file)
  const changed = Buffer.from(whole)
  changed[5_000] = (changed[5_000] ?? 0) ^ 1
  await writeFile(`${file}.changed`, changed)
  await writeFile(`${file}.cut`, whole)
  await truncate(`${file}.cut`, whole.length - 512)
  for (const [name, sentence] of [
    ['changed', /is no whole backup/],
    ['cut', /is no whole backup/],
    ['missing', /Could not read the backup/],
  ] as const) {
    const { code, stderr } = await restore(`${file}.${name}`)
    t.is(code, 1)
    t.regex(stderr, sentence)
  }
  t.deepEqual(
    (await readdir(cluster.dir)).filter((name) => name.startsWith('etcd')),
    ['etcd'],
  )
  t.is((await cluster.up()).code, 0)
  t.regex((await cluster.spell(['cluster', 'repair'])).stdout, /nothing to repair/)
})

const gated = 'mkfifo gate && read -r line < gate && echo "$line" > out.txt && echo "through $SPELL_RUN"'

async function begin(cluster: TestCluster, command: string): Promise<void> {
  const begun = await cluster.spell(['run', '-f', '-b', command])
  if (begun.code !== 0) throw new Error(begun.stderr)
}

const gateOf = (cluster: TestCluster, id: number) =>
  join(cluster.dir, `data/node-1/attempts/${id}.1/spell/gate`)

/** Its command has begun. */
async function running(cluster: TestCluster, id: number): Promise<void> {
  while (!existsSync(gateOf(cluster, id))) await cluster.spell(['ps'])
}

async function openGate(cluster: TestCluster, id: number): Promise<void> {
  await writeFile(gateOf(cluster, id), `gate of ${id}\n`)
}

/** Everything of the cluster ends at once; runs do not. */
async function crash(cluster: TestCluster): Promise<void> {
  const { processes } = await cluster.status()
  for (const { pid } of processes) if (pid !== null) process.kill(pid, 'SIGKILL')
  for (const name of ['node-1', 'coordinator-1'])
    while (processesWith(`--settings=${join(cluster.dir, 'settings', `${name}.json`)}`).length > 0)
      await cluster.status()
}
