import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'

// A Slurm of one machine, as a peer to measure beside: one node that claims 64 CPUs and 8 GPUs (character devices that
// lead to /dev/null), munge with a key of its own, no accounting. Needs Debian's slurmctld slurmd slurm-client munge, and root.

export interface Slurm {
  /** Environment for sbatch, squeue and the rest. */
  readonly env: { readonly SLURM_CONF: string }
  stop(): Promise<void>
}

export async function startSlurm(folder: string, basePort: number): Promise<Slurm> {
  for (const name of ['state', 'spool/n1', 'log', 'run', 'dev'])
    await mkdir(join(folder, name), { recursive: true })
  for (let gpu = 0; gpu < 8; gpu += 1) await execa('mknod', [join(folder, `dev/nvidia${gpu}`), 'c', '1', '3'])
  const configuration = join(folder, 'slurm.conf')
  await writeFile(configuration, slurmConf(folder, basePort))
  await writeFile(
    join(folder, 'gres.conf'),
    `NodeName=n1 Name=gpu Type=a100 File=${folder}/dev/nvidia[0-7]\n`,
  )
  await writeFile(join(folder, 'cgroup.conf'), 'CgroupPlugin=cgroup/v1\n')
  await writeFile(join(folder, 'munge.key'), randomBytes(128), { mode: 0o400 })

  const env = { SLURM_CONF: configuration }
  const file = (name: string) => join(folder, name)
  await execa('munged', [
    '--force',
    ...['-S', file('run/munge.sock'), '--key-file', file('munge.key'), '--pid-file', file('run/munged.pid')],
    ...['--log-file', file('log/munged.log'), '--seed-file', file('run/munge.seed'), '--num-threads=4'],
  ])
  await execa('slurmctld', ['-f', configuration, '-c'], { env })
  await execa('slurmd', ['-f', configuration, '-N', 'n1'], { env })
  await waitForNode(env)
  return { env, stop: () => stopSlurm(folder) }
}

async function waitForNode(env: Slurm['env']): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const { stdout } = await execa('sinfo', ['-h', '-o', '%T'], { env, reject: false })
    if (stdout.trim() === 'idle') return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('Slurm’s node did not become idle within 10 s.')
}

async function stopSlurm(folder: string): Promise<void> {
  for (const name of ['slurmd.n1.pid', 'slurmctld.pid', 'munged.pid']) {
    const text = await readFile(join(folder, 'run', name), 'utf8').catch(() => '')
    const pid = Number(text)
    if (pid > 0) await execa('kill', [String(pid)], { reject: false })
  }
}

function slurmConf(folder: string, port: number): string {
  const lines = {
    ClusterName: 'peer',
    SlurmctldHost: 'localhost(127.0.0.1)',
    SlurmctldPort: port,
    SlurmUser: 'root',
    SlurmdUser: 'root',
    AuthType: 'auth/munge',
    AuthInfo: `socket=${folder}/run/munge.sock`,
    CredType: 'cred/munge',
    StateSaveLocation: `${folder}/state`,
    SlurmdSpoolDir: `${folder}/spool/%n`,
    SlurmctldPidFile: `${folder}/run/slurmctld.pid`,
    SlurmdPidFile: `${folder}/run/slurmd.%n.pid`,
    SlurmctldLogFile: `${folder}/log/slurmctld.log`,
    SlurmdLogFile: `${folder}/log/slurmd.%n.log`,
    SlurmctldDebug: 'error',
    SlurmdDebug: 'error',
    ProctrackType: 'proctrack/linuxproc',
    TaskPlugin: 'task/none',
    JobAcctGatherType: 'jobacct_gather/none',
    AccountingStorageType: 'accounting_storage/none',
    JobCompType: 'jobcomp/none',
    MpiDefault: 'none',
    MailProg: '/bin/true',
    SwitchType: 'switch/none',
    PropagateResourceLimits: 'NONE',
    ReturnToService: 2,
    MinJobAge: 300,
    MaxJobCount: 20000,
    MessageTimeout: 30,
    InactiveLimit: 0,
    KillWait: 5,
    SchedulerType: 'sched/backfill',
    // The quickest turn that its documentation allows, so that the comparison is with Slurm at its best.
    SchedulerParameters:
      'batch_sched_delay=0,sched_interval=1,sched_min_interval=0,default_queue_depth=1000,bf_interval=5,bf_max_job_test=1000,max_rpc_cnt=0',
    SlurmctldParameters: 'idle_on_node_suspend',
    SlurmdParameters: 'config_overrides',
    SelectType: 'select/cons_tres',
    SelectTypeParameters: 'CR_CPU',
    GresTypes: 'gpu',
  }
  const node = `NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=${port + 1} CPUs=64 RealMemory=20000 Gres=gpu:a100:8 State=UNKNOWN`
  const partition = 'PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO'
  return `${Object.entries(lines)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')}\n${node}\n${partition}\n`
}
