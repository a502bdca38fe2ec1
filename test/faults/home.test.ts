import { setMaxListeners } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../common/clock.js'
import type { FailoverCluster } from './failover/cluster.js'
import { Load } from './failover/load.js'
import { pageCluster } from './failover/page.js'

// Two coordinators, and the store at home on one that does not lead. Runs print, save and are read through the other; the
// home is killed and started again, then the leader is killed. Nothing is lost, and what needs bytes waits and says so.

async function started(t: ExecutionContext): Promise<FailoverCluster> {
  const cluster = await pageCluster(t, 'home')
  if ((await leaderOf(cluster)) === 'alpha') {
    await cluster.kill('alpha')
    await leads(cluster, 'beta')
    await cluster.start('alpha')
  }
  await leads(cluster, 'beta')
  return cluster
}

/** etcd may be too busy for an answer now and then. */
async function leaderOf(cluster: FailoverCluster): Promise<string> {
  for (;;) {
    const leader = await cluster.leader()
    if (leader !== undefined) return leader
  }
}

async function leads(cluster: FailoverCluster, name: string): Promise<void> {
  while ((await cluster.leader()) !== name) await systemClock.sleep(50)
}

/** Prints a line, waits for the file, and saves a file that says which run it was. */
async function begin(cluster: FailoverCluster, gate: string): Promise<number> {
  const command = `echo begun; while [ ! -e ${gate} ]; do sleep 0.1; done; echo "this is $SPELL_RUN_ID" | tee out.txt; head -c 3000000 /dev/zero > big`
  const { code, stdout, stderr } = await cluster.spell(`run -f -b -t CPU '${command}'`)
  if (code !== 0) throw new Error(stderr)
  return Number(/#(\d+)/.exec(stdout)?.[1])
}

const stateOf = async (cluster: FailoverCluster, id: number): Promise<string> =>
  (JSON.parse((await cluster.spell(`info --json ${id}`)).stdout) as { readonly state: string }).state

async function until(cluster: FailoverCluster, id: number, state: string): Promise<void> {
  while ((await stateOf(cluster, id)) !== state) await systemClock.sleep(100)
}

async function isWhole(t: ExecutionContext, cluster: FailoverCluster, id: number): Promise<void> {
  const listed = await cluster.spell(`ls runs/${id}`)
  t.regex(listed.stdout, /out\.txt/, listed.stderr)
  const copied = await cluster.spell(`cp -f runs/${id}/out.txt of-${id}`)
  t.is(copied.code, 0, copied.stderr)
  t.is(
    readFileSync(join(cluster.folder, `../alpha/lib/coordinator/store/runs/${id}/out.txt`), 'utf8'),
    `this is ${id}\n`,
  )
  t.is(readFileSync(join(cluster.folder, `../desk/home/of-${id}/out.txt`), 'utf8'), `this is ${id}\n`)
  t.is((await cluster.spell(`logs -f --raw ${id}`)).stdout, `begun\nthis is ${id}\n`)
}

test.serial(
  'a store at home on a coordinator that does not lead serves runs, and comes back after its death',
  async (t) => {
    t.timeout(900_000)
    const cluster = await started(t)
    const gate = join(cluster.folder, 'gate')
    const going = await begin(cluster, gate)
    const stopped = await begin(cluster, join(cluster.folder, 'never'))
    for (const id of [going, stopped]) await until(cluster, id, 'running')
    const followed = cluster.spell(`logs -f --raw ${going}`)
    const before = await begin(cluster, '/dev/null')
    await until(cluster, before, 'complete')
    await isWhole(t, cluster, before)

    await cluster.kill('alpha')
    t.is(await leaderOf(cluster), 'beta')
    const late = await begin(cluster, gate)
    t.is((await cluster.spell(`stop -q ${stopped}`)).code, 0)
    const rows = JSON.parse((await cluster.spell('ps --json')).stdout) as readonly {
      readonly id: number
    }[]
    t.true([going, stopped, before, late].every((id) => rows.some((row) => row.id === id)))
    // What needs bytes waits, and says what for.
    const away = /The store is away: its home, the coordinator alpha \(.*\), does not answer: .+/
    t.regex((await cluster.spell(`cp -f runs/${before} not-yet`)).stderr, away)
    const reader = cluster.spell(`logs --raw ${before}`)
    writeFileSync(gate, '')
    await until(cluster, late, 'saving')

    await cluster.start('alpha')
    const read = await reader
    t.like(read, { code: 0, stdout: `begun\nthis is ${before}\n` })
    t.regex(read.stderr, away)
    t.is(read.stderr.match(/Lost sight/g)?.length, 1, 'it is said once, however long it takes')
    const waited = await cluster.spell(`wait ${going} ${late}`)
    t.is(waited.code, 0, waited.stderr)
    await until(cluster, stopped, 'stopped')
    t.is((await followed).stdout, `begun\nthis is ${going}\n`)
    for (const id of [going, late, before]) await isWhole(t, cluster, id)
    t.is(await leaderOf(cluster), 'beta')

    // The home takes over from the leader, and gives the lead back.
    await cluster.kill('beta')
    await leads(cluster, 'alpha')
    const next = await begin(cluster, gate)
    t.is(next, late + 1)
    await until(cluster, next, 'complete')
    for (const id of [going, next]) await isWhole(t, cluster, id)
    await cluster.start('beta')
  },
)

test.serial('ten runs and five followers lose nothing when home and leader are killed in turn', async (t) => {
  t.timeout(900_000)
  const cluster = await started(t)
  const broken = new AbortController()
  t.teardown(() => broken.abort())
  setMaxListeners(0, broken.signal)
  const load = new Load(cluster, broken.signal)
  await load.begin()
  for (let round = 0; round < 2; round += 1) {
    // The home, while the other leads.
    await cluster.kill('alpha')
    await load.submit('true')
    await cluster.start('alpha')
    await load.submit('true')
    await cluster.kill('beta')
    await leads(cluster, 'alpha')
    await load.submit('true')
    await cluster.start('beta')
    await cluster.kill('alpha')
    await leads(cluster, 'beta')
    await cluster.start('alpha')
  }
  t.deepEqual(await load.end(), [])
})
