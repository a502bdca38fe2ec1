import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '../../common/clock.js'
import { silentLog } from '../../common/log.js'
import { type FoundGpus, InventoryWatch } from '../../node-agent/inventory.js'
import { keepInventory } from '../../node-agent/kept-inventory.js'
import { DummyRuntime } from '../../node-agent/runtimes/dummy.js'
import type { Inventory } from '../../proto/model/link.js'
import { FakeClock } from '../fakes/fake-clock.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

const t4 = { uuid: 'GPU-1', model: 'Tesla T4', memoryBytes: 16e9, unusableReason: '', parentUuid: '' }

test('an agent that starts does not wait for an nvidia-smi that hangs, and offers no GPU before it answers', async (t) => {
  const folder = await temporaryFolder(t)
  const keptFile = join(folder, 'inventory.json')
  await keepInventory(keptFile, {
    ...{ runtime: 'dummy', runtimeVersion: '', cpus: 1, memoryBytes: 1e9, diskFreeBytes: 1e9 },
    ...{ gpus: [t4], warnings: [] },
  })
  const clock = new FakeClock()
  let asked = 0
  let answer = (_found: FoundGpus): void => undefined
  const hanging = new Promise<FoundGpus>((resolve) => {
    answer = resolve
  })
  const good: FoundGpus = { gpus: [t4], warnings: [] }
  let told = (_inventory: Inventory): void => undefined
  const changed = new Promise<Inventory>((resolve) => {
    told = resolve
  })
  const watch = new InventoryWatch(
    { dataDir: folder, cpus: undefined, memoryBytes: undefined, everyMs: 30_000, keptFile },
    {
      runtime: new DummyRuntime({ attemptsFolder: folder }, systemClock),
      findGpus: () => {
        asked += 1
        return asked === 1 ? hanging : Promise.resolve(good)
      },
      heldGpus: () => new Set(),
      ...{ clock, log: silentLog, onChange: (inventory) => told(inventory) },
    },
  )
  const started = watch.start()
  while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve))
  await clock.advance(5_000)
  await started
  t.regex(watch.current.gpus[0]?.unusableReason ?? '', /not looked at since the agent was started/)
  answer(good)
  t.is((await changed).gpus[0]?.unusableReason, '')
  watch.stop()
})
