import test from 'ava'
import { followPage } from '../fixtures/cluster-page.js'

test.serial(
  'who types docs/cluster.md has three members of etcd, two coordinators and three nodes',
  async (t) => {
    const { machines, said } = await followPage(t)
    t.regex(said, /hello from gpu-[123]/)
    const alpha = machines.get('alpha')
    const nodes = JSON.parse((await alpha.type('spell node list --json')).stdout) as {
      name: string
      connected: boolean
    }[]
    t.deepEqual(
      nodes.map((node) => [node.name, node.connected]).toSorted(),
      ['gpu-1', 'gpu-2', 'gpu-3'].map((name) => [name, true]),
    )
  },
)
