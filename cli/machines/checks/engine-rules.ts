import type { EngineInfo, Finding, MachineFacts } from './facts.js'

const oldest = [20, 10] as const
const daemonFile = '/etc/docker/daemon.json'

/** Each a thing that an engine may lack: what that means for runs, and what helps. */
interface Shortcoming {
  readonly level: 'warning' | 'error'
  found(info: EngineInfo): boolean
  readonly sentence: (info: EngineInfo) => string
  readonly remedy: string
}

const shortcomings: readonly Shortcoming[] = [
  {
    level: 'error',
    found: ({ ServerVersion = '' }) => isOlder(ServerVersion),
    sentence: ({ ServerVersion }) =>
      `Docker Engine ${ServerVersion} is too old: ${oldest.join('.')} is the oldest that is tried.`,
    remedy: 'Install a newer one: https://docs.docker.com/engine/install/',
  },
  {
    level: 'error',
    found: ({ LiveRestoreEnabled }) => LiveRestoreEnabled !== true,
    sentence: () => "The Docker Engine's live-restore is off: its restart or upgrade would end all runs.",
    remedy: `Put "live-restore": true into ${daemonFile}, then: systemctl reload docker (or SIGHUP to dockerd)`,
  },
  {
    level: 'error',
    found: ({ CgroupDriver }) => CgroupDriver === 'none',
    sentence: () => 'The Docker Engine has no cgroups: runs would have no limits.',
    remedy: 'Use an engine that is root, on a kernel with cgroups mounted at /sys/fs/cgroup.',
  },
  {
    level: 'error',
    found: ({ MemoryLimit }) => MemoryLimit === false,
    sentence: () => 'The Docker Engine cannot limit memory: one run could end all others.',
    remedy: 'Add "cgroup_enable=memory swapaccount=1" to the kernel\'s command line and reboot.',
  },
  {
    level: 'error',
    found: ({ CpuCfsQuota }) => CpuCfsQuota === false,
    sentence: () => 'The Docker Engine cannot limit cores.',
    remedy: 'Use a kernel with CONFIG_CFS_BANDWIDTH.',
  },
  {
    level: 'warning',
    found: ({ PidsLimit }) => PidsLimit === false,
    sentence: () => 'The Docker Engine cannot limit the number of processes.',
    remedy: 'Use a kernel with CONFIG_CGROUP_PIDS.',
  },
  {
    level: 'error',
    found: ({ Driver }) => Driver === 'vfs',
    sentence: () =>
      "The Docker Engine's storage driver is vfs: each container would be a whole copy of its image.",
    remedy: `Put "storage-driver": "overlay2" into ${daemonFile} and restart the engine; its images have to come anew.`,
  },
  {
    level: 'warning',
    found: ({ Driver = '' }) => !['overlay2', 'overlayfs', 'vfs', ''].includes(Driver),
    sentence: ({ Driver }) =>
      `The Docker Engine's storage driver is ${Driver}; overlay2 is the one that is tried.`,
    remedy: `Put "storage-driver": "overlay2" into ${daemonFile} and restart the engine; its images have to come anew.`,
  },
  {
    level: 'error',
    found: ({ SecurityOptions }) =>
      SecurityOptions?.some((option) => /^name=(userns|rootless)/.test(option)) === true,
    sentence: () => 'The Docker Engine maps user ids: files of runs would belong to strangers.',
    remedy: `Take "userns-remap" out of ${daemonFile}, or use an engine that is not rootless, and restart it.`,
  },
]

export const engineRules: readonly ((facts: MachineFacts) => readonly Finding[])[] = [engine]

function engine({ engine: found, socketPath }: MachineFacts): readonly Finding[] {
  if (!found) return []
  if (found.kind === 'silent')
    return [
      {
        level: 'error',
        sentence: `The Docker Engine cannot be reached: ${found.reason}.`,
        remedy: `Install and start it (on Debian: apt-get install docker.io), name its socket with --docker-socket (now ${socketPath}), or join with "--runtime process".`,
      },
    ]
  const { info } = found
  const wrong = shortcomings
    .filter((one) => one.found(info))
    .map(({ level, sentence, remedy }): Finding => ({ level, sentence: sentence(info), remedy }))
  const words = [info.Driver, info.CgroupDriver && `cgroups by ${info.CgroupDriver}`].filter(Boolean)
  if (wrong.length > 0) return wrong
  return [
    { level: 'ok', sentence: `Docker Engine ${info.ServerVersion} (${words.join(', ')}), with live-restore` },
  ]
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return major < oldest[0] || (major === oldest[0] && minor < oldest[1])
}
