import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { baseImage, deriveImage, ensureBaseImage } from '../fixtures/base-image.js'
import { startCluster, type TestCluster } from '../fixtures/cluster.js'
import { startNvidiaEngine } from '../fixtures/nvidia-engine.js'
import { pidOf } from '../fixtures/processes.js'

// A node with three whole GPUs and two MIG devices, on an engine of its own with stand-ins for NVIDIA's hook and runtime: what
// reaches the engine is what was assigned. The engine needs a network namespace, which takes root.
const can = process.getuid?.() === 0 ? test.serial : test.serial.skip
const seesAll = 'spell-test-sees-all:1'
const whole = [1, 2, 3].map((number) => `GPU-1a2b3c4d-000${number}-4c5d-8e9f-00000000000${number}`)
const divided = 'GPU-1a2b3c4d-0004-4c5d-8e9f-000000000004'
const slices = [1, 2].map((number) => `MIG-2a2b3c4d-000${number}-5c5d-8e9f-00000000000${number}`)

const mig = (index: number, mebibytes: number) =>
  `<mig_device><index>${index}</index><gpu_instance_id>${index + 1}</gpu_instance_id>
<compute_instance_id>0</compute_instance_id><fb_memory_usage><total>${mebibytes} MiB</total></fb_memory_usage></mig_device>`

/** A GPU, with a process on it where the file of this name has a pid. */
const gpu = (uuid: string, bus: string, more = '') =>
  `echo '<gpu id="00000000:${bus}:00.0"><product_name>NVIDIA A100-SXM4-80GB</product_name>
<mig_mode><current_mig>${more === '' ? 'Disabled' : 'Enabled'}</current_mig></mig_mode><mig_devices>${more}</mig_devices>
<uuid>${uuid}</uuid><pci><pci_bus_id>00000000:${bus}:00.0</pci_bus_id></pci>
<fb_memory_usage><total>81920 MiB</total></fb_memory_usage><processes>'
for pid in $(cat pid-${bus} 2>/dev/null); do
  echo "<process_info><gpu_instance_id>N/A</gpu_instance_id><pid>$pid</pid><type>C</type><process_name>x</process_name></process_info>"
done
echo '</processes></gpu>'`

const smi = (folder: string) => `#!/bin/sh
cd ${folder}
if [ "$1" = -L ]; then
${[...whole, divided].map((uuid, index) => `echo 'GPU ${index}: NVIDIA A100-SXM4-80GB (UUID: ${uuid})'`).join('\n')}
echo '  MIG 2g.20gb     Device  0: (UUID: ${slices[0]})'
echo '  MIG 1g.10gb     Device  1: (UUID: ${slices[1]})'
exit
fi
echo '<?xml version="1.0" ?><nvidia_smi_log><driver_version>535.161.08</driver_version><attached_gpus>4</attached_gpus>'
${whole.map((uuid, index) => gpu(uuid, `0${index + 1}`)).join('\n')}
${gpu(divided, '04', mig(0, 19968) + mig(1, 9984))}
echo '</nvidia_smi_log>'
`

can(
  'runs get exactly the devices that they were given, and wait for those that somebody else uses',
  async (t) => {
    t.timeout(600_000)
    const folder = mkdtempSync('/tmp/spell-smi-')
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const nvidiaSmi = join(folder, 'nvidia-smi')
    writeFileSync(nvidiaSmi, smi(folder), { mode: 0o755 })
    const engine = await startNvidiaEngine({ asDefault: true, bridge: true })
    t.teardown(() => engine.stop())
    await ensureBaseImage(engine.socketPath)
    const change = 'ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all'
    await deriveImage(engine.socketPath, { name: seesAll, from: baseImage, change })
    const cluster = await startCluster(t, {
      runtime: 'docker',
      words: ['--nvidia-smi', nvidiaSmi, '--cpus', '8', '--memory', '4GB'],
      environment: { DOCKER_HOST: `unix://${engine.socketPath}` },
    })

    await seesItsOwn(t, cluster, engine.noted, { type: 'A100-80GBx2', count: 2, among: whole })
    await seesItsOwn(t, cluster, engine.noted, {
      type: 'A100-80GB-1g.10gb',
      count: 1,
      among: slices.slice(1),
    })
    await seesItsOwn(t, cluster, engine.noted, {
      type: 'A100-80GB-2g.20gb',
      count: 1,
      among: slices.slice(0, 1),
    })
    await seesItsOwn(t, cluster, engine.noted, { type: 'CPU', count: 0, among: [] })

    const user = userInfo().username
    const foreign = spawn('sleep', ['1000'], { stdio: 'ignore' })
    t.teardown(() => ended(foreign))
    const own = await begin(cluster, 'A100-80GB', 'exec sleep 1001.5')
    const held = (await info(cluster, own)).gpus[0] ?? ''
    const bus = (uuid: string) => join(folder, `pid-0${whole.indexOf(uuid) + 1}`)
    writeFileSync(bus(held), `${await untilRuns('sleep\u00001001.5\0')}`)
    const used = whole.find((uuid) => uuid !== held) ?? ''
    writeFileSync(bus(used), `${foreign.pid}`)
    await lookAgain(cluster)
    const reason = `A process that is no run's is on it: pid ${foreign.pid} (${user}, sleep).`
    const node = await untilNode(cluster, (reasons) => reasons.get(used) === reason)
    t.is(node.gpus.find(({ uuid }) => uuid === held)?.unusable_reason, null)
    const waits = await begin(cluster, 'A100-80GBx2', 'true')
    const why = (await info(cluster, waits)).reason
    t.regex(why, new RegExp(`${node.name} has only 1 of them free`))
    t.true(why.includes(`pid ${foreign.pid} (${user}, sleep)`), why)

    await ended(foreign)
    rmSync(bus(used))
    await lookAgain(cluster)
    await cluster.spell(['logs', '-f', `${waits}`])
    t.is((await info(cluster, waits)).state, 'complete')
    const shown = (await cluster.spell(['node', 'info', node.name])).stdout
    t.regex(shown, /^GPU Driver +535\.161\.08$/m)
    await cluster.spell(['kill', `${own}`])
  },
)

interface Wanted {
  readonly type: string
  readonly count: number
  readonly among: readonly string[]
}

async function seesItsOwn(
  t: ExecutionContext,
  cluster: TestCluster,
  noted: Awaited<ReturnType<typeof startNvidiaEngine>>['noted'],
  { type, count, among }: Wanted,
): Promise<void> {
  const before = noted().length
  const run = ['run', '-f', '-t', type, '--from', seesAll, 'echo $NVIDIA_VISIBLE_DEVICES']
  const said = await cluster.spell(run)
  const id = Number(/Casting spell #(\d+)/.exec(said.stdout)?.[1])
  const { gpus } = await info(cluster, id)
  t.is(gpus.length, count, said.stderr)
  t.true(
    gpus.every((uuid) => among.includes(uuid)),
    gpus.join(),
  )
  const expected = gpus.join(',') || 'void'
  t.true(said.stdout.includes(`${expected}\n`), said.stdout)
  const seen = noted().slice(before)
  t.deepEqual(seen.map(({ by }) => by).sort(), count === 0 ? ['runtime'] : ['hook', 'runtime'])
  for (const { devices } of seen)
    t.deepEqual(
      [
        ...new Set(
          devices
            .join(',')
            .split(/,?NVIDIA_VISIBLE_DEVICES=/)
            .slice(1),
        ),
      ],
      [expected],
    )
}

interface Info {
  readonly state: string
  readonly reason: string
  readonly gpus: readonly string[]
}
interface Node {
  readonly name: string
  readonly gpus: readonly { readonly uuid: string; readonly unusable_reason: string | null }[]
}

async function info(cluster: TestCluster, id: number): Promise<Info> {
  return JSON.parse((await cluster.spell(['info', '--json', `${id}`])).stdout) as Info
}

/** When what the leader knows of the node's GPUs is this. */
async function untilNode(
  cluster: TestCluster,
  holds: (reasons: ReadonlyMap<string, string | null>) => boolean,
): Promise<Node> {
  for (;;) {
    const [node] = JSON.parse((await cluster.spell(['node', 'list', '--json'])).stdout) as readonly Node[]
    if (node && holds(new Map(node.gpus.map(({ uuid, unusable_reason }) => [uuid, unusable_reason]))))
      return node
  }
}

async function begin(cluster: TestCluster, type: string, command: string): Promise<number> {
  const said = await cluster.spell(['run', '-f', '-b', '-t', type, '--from', baseImage, command])
  return Number(/#(\d+)/.exec(said.stdout)?.[1])
}

/** An agent looks when it starts, and not so soon again. */
async function lookAgain(cluster: TestCluster): Promise<void> {
  const status = await cluster.status()
  const agent = status.processes.find(({ role }) => role === 'node-agent')
  if (!agent?.pid) throw new Error('There is no agent')
  process.kill(agent.pid, 'SIGKILL')
  await cluster.restarted(agent.name, agent.pid)
}

async function untilRuns(commandLine: string): Promise<number> {
  for (;;) {
    const pid = pidOf(commandLine)
    if (pid !== undefined) return pid
    await setImmediate()
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
