import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import { adminToken, type ClusterFixture, startCluster } from '../../fixtures/coordinator.js'
import { HandNode } from '../../fixtures/hand-node.js'
import { untilLed } from './until-led.js'

// Debian's python3-grpcio; its client learns everything by reflection.
const python = '/usr/bin/python3'
const script = join(process.cwd(), 'test/fixtures/clients/by-reflection.py')

async function start(): Promise<{ cluster: ClusterFixture; node: HandNode }> {
  const cluster = await startCluster()
  await untilLed(cluster.users())
  const node = await HandNode.start(await cluster.nodes('n1'), { nodeId: 'n1' })
  return { cluster, node }
}

function client(cluster: ClusterFixture, options: readonly string[] = [], command = 'echo hi') {
  const address = cluster.coordinators[0]?.userAddress ?? ''
  const child = spawn(
    python,
    [script, ...options, address, join(cluster.folder, 'ca.pem'), adminToken, command],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const lines: string[] = []
  createInterface(child.stdout).on('line', (line) => lines.push(line))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return { lines, ended }
}

test.serial(
  'a client in Python that knows only the address submits, follows and reads the log',
  async (t) => {
    const { cluster, node } = await start()
    t.teardown(cluster.stop)
    const { lines, ended } = client(cluster)
    const { id } = await node.started()
    await node.reached(id, 'building', 'running')
    await node.ship(id, 0, Buffer.from([0, 255, 10]))
    await node.ended(id, 3)
    await node.finished(id)
    t.is(await ended, 0)
    t.deepEqual(lines, [
      'run 1',
      ...['state MACHINE_REQUESTED', 'state BUILDING', 'state RUNNING', 'log 0 00ff0a'],
      ...['state SAVING', 'state PUSHING', 'state COMPLETE'],
    ])
  },
)

test.serial('a client in Python stops a run', async (t) => {
  const { cluster, node } = await start()
  t.teardown(cluster.stop)
  const { lines, ended } = client(cluster, ['--stop'])
  const { id } = await node.started()
  await node.reached(id, 'building', 'running')
  await node.order('stop_and_save')
  const facts = { exitCode: 143, outOfMemory: false, endedBy: 'stop', logBytes: 0, reason: '' } as const
  await node.report(id, { kind: 'ended', ...facts }, true)
  await node.finished(id)
  t.is(await ended, 0)
  t.true(lines.includes('stopping 1'))
  t.is(lines.at(-1), 'state STOPPED')
})

test.serial('a client in Python learns which field of its request was at fault', async (t) => {
  const cluster = await startCluster()
  t.teardown(cluster.stop)
  await untilLed(cluster.users())
  const { lines, ended } = client(cluster, [], ' ')
  t.is(await ended, 0)
  t.deepEqual(lines, ['refused INVALID_ARGUMENT spec.command'])
})
