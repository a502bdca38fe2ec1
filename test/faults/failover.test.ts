import { setMaxListeners } from 'node:events'
import test from 'ava'
import type { Store } from '../fixtures/cluster-page.js'
import {
  cutLeaderFromAgents,
  cutLeaderFromEtcd,
  killLeaders,
  loseEtcdMembers,
  pauseLeader,
} from './failover/checks.js'
import { Load } from './failover/load.js'
import { pageCluster } from './failover/page.js'

// On the machines of docs/cluster.md: ten runs print and five people follow them while the leader is killed again and
// again, cut off from etcd, cut off from the agents, stopped for longer than its lease and woken, and while members of etcd
// die. No run is stopped or repeated, no byte is missing or comes twice, and ids have no gap.

const short = process.env.SPELL_SHORT !== undefined
const kills = Number(process.env.SPELL_ROUNDS ?? (short ? 3 : 30))

const nobodyLosesAnything = test.macro(async (t, store: Store) => {
  t.timeout(short ? 900_000 : 3_600_000)
  const cluster = await pageCluster(t, store)
  const broken = new AbortController()
  t.teardown(() => broken.abort())
  const { signal } = broken
  setMaxListeners(0, signal)
  const load = new Load(cluster, signal)
  await load.begin()
  const scenario = { cluster, load, signal, say: (line: string) => t.log(line) }
  await killLeaders(scenario, kills)
  await cutLeaderFromEtcd(scenario)
  await cutLeaderFromAgents(scenario, short ? 12_000 : 30_000)
  await pauseLeader(scenario, short ? 12_000 : 60_000)
  await loseEtcdMembers(scenario, short ? 8_000 : 20_000)
  t.deepEqual(await load.end(), [])
})

test.serial('nobody loses anything by a failover', nobodyLosesAnything, 'shared')
test.serial(
  'nobody loses anything, the store at home on the coordinator that lives',
  nobodyLosesAnything,
  'home',
)
