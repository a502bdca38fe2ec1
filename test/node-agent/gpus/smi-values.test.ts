import test from 'ava'
import { busIdIn, bytesIn, isError, isNotTold, isUuid } from '../../../node-agent/gpus/smi-values.js'

test('a place on the bus has one form, however it is written', (t) => {
  for (const text of [
    '00000000:CB:00.0',
    'GPU0000:CB:00.0: Unknown Error',
    'PCI:0000:cb:00',
    'at gpu 0000:CB:00.0',
  ])
    t.is(busIdIn(text), '0000:cb:00', text)
  t.is(busIdIn('00010000:E1:00.0'), '10000:e1:00')
  t.is(busIdIn('00000001:00:00.0'), '0001:00:00')
  for (const text of ['', 'N/A', '12:30:45', undefined]) t.is(busIdIn(text), '')
})

test('sizes', (t) => {
  t.is(bytesIn('15360 MiB'), 15360 * 2 ** 20)
  for (const text of ['15,360 MiB', '15.360 MiB', "15'360 MiB", '15 360 MiB', '15360MiB'])
    t.is(bytesIn(text), 15360 * 2 ** 20, text)
  t.is(bytesIn('1.5 GiB'), 1.5 * 2 ** 30)
  for (const text of ['N/A', '', 'ERR!', '12', '-1 MiB', undefined]) t.is(bytesIn(text), undefined)
})

test('what is not told is no error', (t) => {
  for (const text of [
    'N/A',
    '[N/A]',
    '[Not Supported]',
    'Not Available',
    'Requested functionality has been deprecated',
    '',
  ])
    t.true(isNotTold(text) && !isError(text), text)
  for (const text of [
    'ERR!',
    'Unknown Error',
    '[Unknown Error]',
    '[GPU requires reset]',
    'GPU is lost',
    '[Insufficient Permissions]',
  ])
    t.true(isError(text) && !isNotTold(text), text)
})

test('UUIDs of GPUs, MIG devices of old and new drivers, and of boards without a prefix', (t) => {
  for (const text of [
    'GPU-d37e67a5-91dd-3774-a5cb-99096249601a',
    'MIG-00000000-0000-0000-0000-000000000000',
    'MIG-GPU-1a2b3c4d-0061-4c5d-8e9f-000000000061/1/0',
    'f2a1b3c4-0031-5e6f-8a9b-000000000031',
  ])
    t.true(isUuid(text), text)
  for (const text of ['', 'N/A', 'Unknown Error', 'GPU', 'GPU-1 2', 'GPU-a"b']) t.false(isUuid(text), text)
})
