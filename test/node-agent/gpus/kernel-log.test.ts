import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { gpuTroubles, KernelLog } from '../../../node-agent/gpus/kernel-log.js'
import { captures } from '../fixtures/smi-scripts.js'

test('a real log of a GPU whose system processor does not answer', (t) => {
  const lines = readFileSync(join(captures, 'xid-119.txt'), 'utf8').split('\n')
  t.deepEqual(
    [...gpuTroubles(lines, 0)],
    [['0000:9b:00', 'The kernel has logged Xid 119 of it: its system processor does not answer.']],
  )
})

test('the log of this machine can be read, or is left alone', (t) => {
  const log = new KernelLog({ file: '/dev/kmsg', newestMs: 1 }, () => Number.MAX_SAFE_INTEGER)
  t.is(log.news().size, 0)
  t.is(log.news().size, 0)
  log.close()
  for (const file of ['/none', '/tmp']) t.is(new KernelLog({ file, newestMs: 1 }, () => 0).news().size, 0)
})
