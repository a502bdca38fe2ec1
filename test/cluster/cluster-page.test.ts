import { cpSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { followPage } from '../fixtures/cluster-page.js'
import type { Machine } from '../fixtures/machines.js'

test.serial(
  'who types docs/cluster.md has a cluster, which outlives the death of each coordinator',
  async (t) => {
    const { machines, said } = await followPage(t)
    t.regex(said, /hello from gpu-[123]/)
    const alpha = machines.get('alpha')
    let names: readonly string[] = []
    while (names.length < 3) names = await connectedNodes(alpha)
    t.deepEqual(names, ['gpu-1', 'gpu-2', 'gpu-3'])

    // The machine of the leader and of a member of etcd is gone from one moment to the next.
    const desk = machines.get('gpu-1')
    cpSync(join(alpha.disk, 'home/.spell'), join(desk.disk, 'home/.spell'), { recursive: true })
    await alpha.switchOff()
    const second = await desk.type('spell run -f "echo still here"')
    t.is(second.code, 0, second.stderr)
    t.regex(second.stdout, /Casting spell #2[\s\S]*^still here$/m)

    await alpha.switchOn()
    const programs = ['etcd', 'coordinator'].map((name) => alpha.start(`spell ${name} start`))
    await Promise.all(programs.map((program) => program.until(/: started/)))
    await machines.get('beta').switchOff()
    const third = await desk.type('spell run -f "echo back again"')
    t.is(third.code, 0, third.stderr)
    t.regex(third.stdout, /Casting spell #3[\s\S]*^back again$/m)
  },
)

async function connectedNodes(machine: Machine): Promise<readonly string[]> {
  const { stdout } = await machine.type('spell node list --json')
  const nodes = JSON.parse(stdout) as readonly { readonly name: string; readonly connected: boolean }[]
  return nodes
    .filter((node) => node.connected)
    .map((node) => node.name)
    .toSorted()
}
