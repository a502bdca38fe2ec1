import type { RuntimeFacts } from './runtime.js'

/** Of `GET /info` (https://docs.docker.com/reference/api/engine/). */
export interface EngineInfo {
  readonly ServerVersion: string
  readonly NCPU: number
  readonly MemTotal: number
  readonly LiveRestoreEnabled?: boolean
  readonly CgroupDriver?: string
  readonly MemoryLimit?: boolean
  readonly PidsLimit?: boolean
  readonly CpuCfsQuota?: boolean
  readonly SecurityOptions?: readonly string[]
}

/** Each a thing that an engine may lack, and what that means for runs. */
const shortcomings: readonly ((info: EngineInfo) => string | false)[] = [
  (info) =>
    info.LiveRestoreEnabled !== true &&
    'The Docker Engine has no live-restore: its restart ends the runs. Set "live-restore": true in /etc/docker/daemon.json.',
  (info) =>
    isOlder(info.ServerVersion, [20, 10]) &&
    `Docker Engine ${info.ServerVersion} is old; 20.10 is the oldest that is tried.`,
  (info) => info.CgroupDriver === 'none' && 'The Docker Engine has no cgroups: runs have no limits.',
  (info) => info.MemoryLimit === false && 'The Docker Engine can not limit memory.',
  (info) => info.CpuCfsQuota === false && 'The Docker Engine can not limit cores.',
  (info) => info.PidsLimit === false && 'The Docker Engine can not limit the number of processes.',
  (info) =>
    info.SecurityOptions?.some((option) => option.startsWith('name=userns')) === true &&
    'The Docker Engine maps user ids; files of runs may belong to strangers.',
]

export function factsOf(info: EngineInfo, busybox: string | undefined): RuntimeFacts {
  const warnings = shortcomings.flatMap((shortcoming) => shortcoming(info) || [])
  if (busybox === undefined)
    warnings.push('No static busybox is installed; without it no run can start. Install busybox-static.')
  return { version: info.ServerVersion, cpus: info.NCPU, memoryBytes: info.MemTotal, warnings }
}

function isOlder(version: string, oldest: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return major < oldest[0] || (major === oldest[0] && minor < oldest[1])
}
