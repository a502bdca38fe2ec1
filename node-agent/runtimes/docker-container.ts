import { join } from 'node:path'
import { containerScript } from './docker-supervisor.js'
import { exitNote } from './exit-note.js'
import type { Prepared, Task } from './runtime.js'

/** Labels by which this node finds its containers again. */
export const labels = { node: 'spell.node', attempt: 'spell.attempt' } as const

/** File of the control folder: this task shall end. */
export const terminatingNote = 'terminating'

export interface ContainerSettings {
  /** Path of a static busybox on this machine. */
  readonly busybox: string
  /** Docker's network mode for runs, such as `bridge`. */
  readonly network: string
  /** Most processes and threads that a run may have. */
  readonly processLimit: number
}

/**
 * What root in a container may do beyond an ordinary user: own and install files, change to another user, be asked for
 * its ports and signals. Of the engine's default, MKNOD, NET_RAW, SETFCAP, SETPCAP, AUDIT_WRITE and SYS_CHROOT are not
 * given. With no-new-privileges an image's other users have none of these.
 */
const capabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'NET_BIND_SERVICE',
  'SETGID',
  'SETUID',
]

const outputBlockBytes = 512
/** Some pipes and a few empty files. */
const supervisorBytes = 64 * 1024
const cpuPeriodUs = 100_000

/** The body of `POST /containers/create` for a task (https://docs.docker.com/reference/api/engine/). */
export function containerOf(
  task: Task,
  prepared: Prepared,
  settings: ContainerSettings,
  label: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  const blocks = String(Math.floor(task.outputLimitBytes / outputBlockBytes))
  return {
    Image: prepared.imageDigest ?? task.image,
    Entrypoint: ['/.spell/busybox', 'sh', '-c', containerScript, 'spell-supervisor', blocks, task.command],
    Cmd: [],
    WorkingDir: task.workingDirectory === '' ? '/spell' : `/spell/${task.workingDirectory}`,
    Env: Object.entries(task.env).map(([name, value]) => `${name}=${value}`),
    Hostname: `run-${task.id.runId}`,
    Labels: label,
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      ...limits(task, settings),
      ...protection,
      NetworkMode: settings.network,
      Mounts: mounts(task, settings),
      LogConfig: { Type: 'none' },
      RestartPolicy: { Name: 'no' },
      AutoRemove: false,
      ...(task.gpuUuids.length > 0 && {
        DeviceRequests: [{ DeviceIDs: task.gpuUuids, Capabilities: [['gpu']] }],
      }),
    },
  }
}

const protection = {
  Privileged: false,
  CapDrop: ['ALL'],
  CapAdd: capabilities,
  SecurityOpt: ['no-new-privileges'],
} as const

/** A share of time rather than `NanoCpus`, which the engine refuses above the cores it has. */
function limits(task: Task, settings: ContainerSettings): Readonly<Record<string, unknown>> {
  return {
    CpuPeriod: cpuPeriodUs,
    CpuQuota: Math.max(1000, Math.round(task.cpus * cpuPeriodUs)),
    Memory: task.memoryBytes,
    MemorySwap: task.memoryBytes,
    ShmSize: Math.floor(task.memoryBytes / 2),
    PidsLimit: settings.processLimit,
  }
}

/**
 * The run is as mighty as its supervisor, and often root as the agent is. So nothing that the agent opens by name lies in a
 * folder that the run can write to, but for `/spell` itself: of the agent's notes it gets a view, and what it writes to are
 * single files, which it can fill and not replace. What the supervisor needs for itself is in memory.
 */
function mounts(task: Task, settings: ContainerSettings): readonly unknown[] {
  const bind = (source: string, target: string) => ({ Type: 'bind', Source: source, Target: target })
  return [
    { ...bind(settings.busybox, '/.spell/busybox'), ReadOnly: true },
    { ...bind(task.controlFolder, '/.spell/control'), ReadOnly: true },
    bind(join(task.controlFolder, exitNote), '/.spell/exit'),
    bind(task.outputFile, '/.spell/output'),
    bind(task.spellFolder, '/spell'),
    { Type: 'tmpfs', Target: '/.spell/run', TmpfsOptions: { SizeBytes: supervisorBytes } },
  ]
}

/** `chown -R` by a container, for an agent that is not root. */
export function ownerChange(
  folder: string,
  owner: { readonly uid: number; readonly gid: number },
  image: string,
  settings: ContainerSettings,
): Readonly<Record<string, unknown>> {
  const command = ['chown', '-R', '-h', `${owner.uid}:${owner.gid}`, '/folder']
  return {
    Image: image,
    Entrypoint: ['/.spell/busybox', ...command],
    Cmd: [],
    User: '0:0',
    NetworkDisabled: true,
    HostConfig: {
      ...protection,
      NetworkMode: 'none',
      LogConfig: { Type: 'none' },
      Mounts: [
        { Type: 'bind', Source: settings.busybox, Target: '/.spell/busybox', ReadOnly: true },
        { Type: 'bind', Source: folder, Target: '/folder' },
      ],
    },
  }
}
