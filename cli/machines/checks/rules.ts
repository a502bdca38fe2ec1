import { humanBytes } from '../../output/bytes.js'
import { goDuration } from '../../output/duration.js'
import { engineRules } from './engine-rules.js'
import type { Finding, MachineFacts } from './facts.js'

/** Looks at one thing. Nothing to say: the thing is not on this machine. */
export type Check = (facts: MachineFacts) => readonly Finding[]

const gibibyte = 1024 ** 3
const leastFreeBytes = 2 * gibibyte
const scarceFreeBytes = 20 * gibibyte
/** From here on dates that people compare are confusing, and from there on certificates are not valid yet. */
const clockOffMs = 5_000
const clockWrongMs = 20 * 60_000

const checks: readonly Check[] = [
  platform,
  ...engineRules,
  overlay,
  busybox,
  git,
  disks,
  names,
  ports,
  clock,
  gpuDriver,
  containerToolkit,
]

/** All that there is to say about the machine, in the order in which one would mend it. */
export function judge(facts: MachineFacts): readonly Finding[] {
  return checks.flatMap((check) => check(facts))
}

/** Of what lies between the machine and its coordinators alone. */
export function judgeLinks(facts: Links): readonly Finding[] {
  return [names, ports].flatMap((check) => check(facts))
}

type Links = Pick<MachineFacts, 'coordinators'>

function platform({ platform: name, isRoot, runtime }: MachineFacts): readonly Finding[] {
  if (name !== 'linux')
    return [error(`A node runs Linux, not ${name}.`, 'Use another machine; "spell" itself works here.')]
  if (runtime === 'process')
    return [
      warning(
        'Runs will be plain processes of this user: nothing keeps one from another.',
        'Install Docker and join with "--runtime docker", unless one person uses this node.',
      ),
    ]
  if (isRoot) return [ok('Linux, as root')]
  return [error('Runs in containers need an agent that is root.', 'Join again with sudo.')]
}

function overlay({ overlay: there, runtime }: MachineFacts): readonly Finding[] {
  if (there) return [ok('The kernel has overlayfs')]
  const finding = runtime === 'docker' ? error : warning
  return [
    finding(
      'The kernel has no overlayfs, over which runs see what they mount.',
      'modprobe overlay; echo overlay > /etc/modules-load.d/overlay.conf',
    ),
  ]
}

function busybox({ staticBusybox, runtime }: MachineFacts): readonly Finding[] {
  if (runtime !== 'docker' || staticBusybox) return []
  return [
    error(
      'No static busybox is installed; no container starts without it.',
      'apt-get install busybox-static',
    ),
  ]
}

/** Runs without code of their own can do without it. */
function git({ git: there }: MachineFacts): readonly Finding[] {
  if (there) return []
  return [
    warning('git is not installed: runs that bring code from a repository fail here.', 'apt-get install git'),
  ]
}

function disks({ disks: all }: MachineFacts): readonly Finding[] {
  return all.map(({ use, path, freeBytes }) => {
    const sentence = `${humanBytes(freeBytes)} free for ${use} (${path})`
    if (freeBytes >= scarceFreeBytes) return ok(sentence)
    const remedy = `Make room, or keep ${use} on a larger disk; ${humanBytes(scarceFreeBytes)} is little already.`
    return freeBytes >= leastFreeBytes
      ? warning(`Only ${sentence}.`, remedy)
      : error(`Only ${sentence}.`, remedy)
  })
}

function names({ coordinators }: Links): readonly Finding[] {
  return coordinators
    .filter(({ leadsTo }) => leadsTo.length === 0)
    .map(({ address }) => {
      const finding = coordinators.some((one) => one.leadsTo.length > 0) ? warning : error
      const host = address.slice(0, address.lastIndexOf(':'))
      return finding(
        `The name ${host} leads nowhere on this machine.`,
        `Mend its DNS (/etc/resolv.conf), or put the coordinator's address and ${host} into /etc/hosts.`,
      )
    })
}

function ports({ coordinators }: Links): readonly Finding[] {
  const anyAnswers = coordinators.some(({ trouble }) => trouble === undefined)
  return coordinators
    .filter(({ leadsTo }) => leadsTo.length > 0)
    .map(({ address, trouble }) => {
      if (trouble === undefined) return ok(`${address} answers`)
      const finding = anyAnswers ? warning : error
      return finding(
        `${address} cannot be reached: ${trouble}.`,
        `See that a coordinator runs there, and that firewalls let this machine reach its port ${address.slice(address.lastIndexOf(':') + 1)} (TCP).`,
      )
    })
}

function clock({ clockAheadMs }: MachineFacts): readonly Finding[] {
  if (clockAheadMs === undefined) return []
  const off = Math.abs(clockAheadMs)
  if (off < clockOffMs) return [ok("The clock agrees with the coordinator's")]
  const seconds = goDuration(Math.round(off / 1_000) * 1_000)
  const sentence = `This machine's clock is ${seconds} ${clockAheadMs > 0 ? 'ahead of' : 'behind'} the coordinator's.`
  const remedy = 'Have both set by NTP: apt-get install chrony, or timedatectl set-ntp true'
  return [off < clockWrongMs ? warning(sentence, remedy) : error(sentence, remedy)]
}

function gpuDriver({ gpuSlots, driver }: MachineFacts): readonly Finding[] {
  if (driver.kind === 'lists' && driver.gpus > 0) {
    const sentence = `nvidia-smi lists ${driver.gpus === 1 ? 'one GPU' : `${driver.gpus} GPUs`}`
    if (driver.gpus >= gpuSlots.length) return [ok(sentence)]
    const remedy = 'See "dmesg" and "nvidia-smi"; a GPU that fell off the bus is back after a reboot.'
    return [warning(`${sentence}, and ${gpuSlots.length} are on the PCI bus.`, remedy)]
  }
  if (gpuSlots.length === 0) return []
  const found = `A GPU of NVIDIA is on the PCI bus (${gpuSlots.join(', ')})`
  const remedy = 'Install the driver for it (on Debian: apt-get install nvidia-driver) and reboot.'
  if (driver.kind === 'fails')
    return [
      error(
        `${found}, and nvidia-smi fails: ${driver.reason}.`,
        'Mend or reinstall the driver, then reboot.',
      ),
    ]
  return [error(`${found}, and its driver does not work: no nvidia-smi lists it.`, remedy)]
}

function containerToolkit({
  gpuSlots,
  driver,
  runtime,
  containerToolkit: there,
}: MachineFacts): readonly Finding[] {
  const hasGpus = gpuSlots.length > 0 || (driver.kind === 'lists' && driver.gpus > 0)
  if (!hasGpus || runtime !== 'docker') return []
  if (there) return [ok('Containers can be given GPUs')]
  return [
    error(
      'The Docker Engine cannot give GPUs to containers.',
      'Install nvidia-container-toolkit, then: nvidia-ctk runtime configure --runtime=docker; systemctl restart docker',
    ),
  ]
}

function ok(sentence: string): Finding {
  return { level: 'ok', sentence }
}

function warning(sentence: string, remedy: string): Finding {
  return { level: 'warning', sentence, remedy }
}

function error(sentence: string, remedy: string): Finding {
  return { level: 'error', sentence, remedy }
}
