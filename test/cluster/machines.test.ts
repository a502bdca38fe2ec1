import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { startMachines } from '../fixtures/machines.js'

test.serial('one machine: init makes it, both programs start, and its administrator is known', async (t) => {
  const machines = await startMachines(t, ['alpha'])
  const alpha = machines.get('alpha')
  const made = await alpha.type('spell cluster init --name lab --allow-process-nodes')
  t.is(made.code, 0, made.stderr)
  t.regex(made.stderr, /first coordinator will be at alpha:7000/)
  const etcd = alpha.start('spell etcd start')
  const coordinator = alpha.start('spell coordinator start')
  await Promise.all([etcd.until(/started/), coordinator.until(/started/)])
  const who = await alpha.type('spell whoami && spell cluster set default-image none && spell run -b -f true')
  t.is(who.code, 0, who.stderr + etcd.said() + coordinator.said())
  t.regex(who.stdout, /Casting spell #1/)
  t.is(await coordinator.interrupt(), 0)
  t.is(await etcd.interrupt(), 0)
  t.true(existsSync(join(alpha.disk, 'lib/etcd/data/member')))
})
