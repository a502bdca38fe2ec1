import type { Clock } from '../../common/clock.js'
import type { Log } from '../../common/log.js'
import type { BootClock } from '../boot-clock.js'
import type { DataFolder } from '../data-folder.js'
import type { NodeSettings } from '../settings.js'
import { GpuFinder } from './find-gpus.js'
import type { Ownership } from './foreign-processes.js'
import { GpuWatch } from './gpu-watch.js'
import { KernelLog } from './kernel-log.js'

/** The watch over this machine's GPUs, with what it looks at. */
export function makeGpuWatch(parts: {
  readonly settings: NodeSettings
  readonly folder: Pick<DataFolder, 'gpus'>
  readonly runtime: Ownership
  readonly boot: BootClock
  readonly clock: Clock
  readonly log: Log
}): GpuWatch {
  const { settings, folder, runtime, boot, clock, log } = parts
  const finder = new GpuFinder(settings, clock)
  const kernelLog = new KernelLog({ file: settings.kernelLogFile, newestMs: settings.gpuReturnAfterMs }, () =>
    boot.now(),
  )
  return new GpuWatch(
    { ...settings, keptFile: folder.gpus, bootId: boot.bootId },
    {
      ...{ clock, log, ownership: runtime },
      read: (signal) => finder.read(signal),
      kernelNews: () => kernelLog.news(),
    },
  )
}
