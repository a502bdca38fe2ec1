import test from 'ava'
import type { GpuReading } from '../../../node-agent/gpus/find-gpus.js'
import type { SeenGpu } from '../../../node-agent/gpus/gpu-list.js'
import { afterLook, type KnownGpu, type Look, unusableReason } from '../../../node-agent/gpus/known-gpus.js'

const returnAfterMs = 300_000

function seen(uuid: string, changes: Partial<SeenGpu> = {}): SeenGpu {
  return {
    uuid,
    model: 'Tesla T4',
    memoryBytes: 16e9,
    parentUuid: '',
    busId: `0000:${uuid.slice(-2)}:00`,
    trouble: '',
    hindrance: '',
    uncorrectable: 0,
    processes: [],
    ...changes,
  }
}

type Read = Extract<GpuReading, { kind: 'read' }>

function read(gpus: readonly SeenGpu[], changes: Partial<Read> = {}): Read {
  const reading = { kind: 'read' as const, driverVersion: '', incomplete: '', warnings: [] }
  return { ...reading, gpus, divided: new Map(), lost: new Map(), ...changes }
}

/** What is known after looks at these minutes, and why each is not usable. */
class Story {
  known: readonly KnownGpu[] = []

  look(minute: number, reading: GpuReading, changes: Partial<Look> = {}): Readonly<Record<string, string>> {
    const look = { held: new Set<string>(), kernelSays: new Map(), returnAfterMs, ...changes }
    this.known = afterLook(this.known, { ...look, reading, nowMs: minute * 60_000 })
    return Object.fromEntries(this.known.map((gpu) => [gpu.uuid, unusableReason(gpu, returnAfterMs)]))
  }
}

const back = ' Now it reads well; it returns after 5 min of that.'

test('one with trouble is out at once, and returns after five minutes without any', (t) => {
  const story = new Story()
  const bad = read([seen('GPU-01', { trouble: 'It requires a reset.' }), seen('GPU-02')])
  const good = read([seen('GPU-01'), seen('GPU-02')])
  t.deepEqual(story.look(0, good), { 'GPU-01': '', 'GPU-02': '' })
  t.deepEqual(story.look(1, bad), { 'GPU-01': 'It requires a reset.', 'GPU-02': '' })
  t.deepEqual(story.look(2, good), { 'GPU-01': `It requires a reset.${back}`, 'GPU-02': '' })
  t.is(story.look(6.9, good)['GPU-01'], `It requires a reset.${back}`)
  t.is(story.look(7, good)['GPU-01'], '')
})

test('one that is now well and now not stays out', (t) => {
  const story = new Story()
  const bad = read([seen('GPU-01', { trouble: 'It requires a reset.' })])
  const good = read([seen('GPU-01')])
  for (let minute = 0; minute < 60; minute += 4) {
    t.is(story.look(minute, bad)['GPU-01'], 'It requires a reset.')
    t.not(story.look(minute + 2, good)['GPU-01'], '')
  }
})

test('while nothing can be read nothing is offered, and no time counts as well', (t) => {
  const story = new Story()
  const failed: GpuReading = { kind: 'failed', reason: 'nvidia-smi did not answer within 20 s.' }
  const good = read([seen('GPU-01'), seen('GPU-02')])
  story.look(0, read([seen('GPU-01', { trouble: 'bad.' }), seen('GPU-02')]))
  story.look(1, good)
  t.deepEqual(story.look(5, failed), { 'GPU-01': 'bad.', 'GPU-02': failed.reason })
  t.deepEqual(story.look(6, good), { 'GPU-01': `bad.${back}`, 'GPU-02': '' })
  t.is(story.look(10.9, good)['GPU-01'], `bad.${back}`)
  t.is(story.look(11, good)['GPU-01'], '')
  t.deepEqual(story.look(12, { kind: 'none' }), {
    'GPU-01': 'This machine has no nvidia-smi any more.',
    'GPU-02': 'This machine has no nvidia-smi any more.',
  })
})

test('one that is not shown any more is out, with what the driver says of it, held or not', (t) => {
  const story = new Story()
  story.look(0, read([seen('GPU-01'), seen('GPU-02'), seen('GPU-03')]))
  const lost = new Map([['0000:02:00', 'GPU0000:02:00.0: GPU is lost.']])
  t.deepEqual(story.look(1, read([seen('GPU-01')], { lost })), {
    'GPU-01': '',
    'GPU-02': 'GPU0000:02:00.0: GPU is lost.',
    'GPU-03': 'It was there and is not shown any more: it may have fallen off the bus.',
  })
  const all = read([seen('GPU-01'), seen('GPU-02'), seen('GPU-03')])
  t.regex(story.look(2, all)['GPU-03'] ?? '', /returns after 5 min/)
  t.deepEqual(story.look(7, all), { 'GPU-01': '', 'GPU-02': '', 'GPU-03': '' })
})

test('one that is missing in half a reading is not offered, and is back with the next whole one', (t) => {
  const story = new Story()
  const whole = read([seen('GPU-01'), seen('GPU-02')])
  story.look(0, whole)
  t.deepEqual(story.look(1, read([seen('GPU-01')], { incomplete: 'cut off.' })), {
    'GPU-01': '',
    'GPU-02': 'cut off.',
  })
  t.deepEqual(story.look(2, whole), { 'GPU-01': '', 'GPU-02': '' })
})

test('a count of uncorrectable errors that rises takes a GPU out; one that was there before does not', (t) => {
  const story = new Story()
  const counts = (count: number | undefined) => read([seen('GPU-01', { uncorrectable: count })])
  t.is(story.look(0, counts(7))['GPU-01'], '')
  t.is(story.look(1, counts(9))['GPU-01'], 'Its count of uncorrectable memory errors has risen by 2.')
  t.regex(story.look(2, counts(9))['GPU-01'] ?? '', /returns after 5 min/)
  t.is(story.look(7, counts(undefined))['GPU-01'], '')
  t.is(story.look(8, counts(0))['GPU-01'], '')
  t.is(story.look(9, counts(1))['GPU-01'], 'Its count of uncorrectable memory errors has risen by 1.')
})

test('what the kernel says of a place on the bus is about the GPU there and its parts', (t) => {
  const story = new Story()
  const slice = seen('MIG-a', { parentUuid: 'GPU-01', busId: '0000:01:00' })
  const kernelSays = new Map([['0000:01:00', 'Xid 79.']])
  t.deepEqual(story.look(0, read([slice, seen('GPU-02')]), { kernelSays }), {
    'MIG-a': 'Xid 79.',
    'GPU-02': '',
  })
})

test('parts of a GPU that is divided anew are forgotten, but for one that a run holds', (t) => {
  const story = new Story()
  const parts = ['MIG-a', 'MIG-b'].map((uuid) => seen(uuid, { parentUuid: 'GPU-01', busId: '0000:01:00' }))
  const told = { divided: new Map([['GPU-01', 'told' as const]]) }
  story.look(0, read(parts, told))
  const other = seen('MIG-c', { parentUuid: 'GPU-01', busId: '0000:01:00' })
  const held = new Set(['MIG-b'])
  const after = story.look(1, read([other], told), { held })
  t.deepEqual(Object.keys(after), ['MIG-c', 'MIG-b'])
  t.regex(after['MIG-b'] ?? '', /divided anew while a run held it/)
  t.deepEqual(story.look(2, read([seen('GPU-01')])), { 'GPU-01': '' })
  t.deepEqual(story.look(3, read(parts, told)), { 'MIG-a': '', 'MIG-b': '' })
})

test('parts whose names could not be read stay, and their GPU does not stand in for them', (t) => {
  const story = new Story()
  const part = seen('MIG-a', { parentUuid: 'GPU-01', busId: '0000:01:00' })
  story.look(0, read([part], { divided: new Map([['GPU-01', 'told']]) }))
  const whole = seen('GPU-01', { hindrance: 'MIG is on.' })
  const untold = read([whole], { divided: new Map([['GPU-01', 'untold']]) })
  t.deepEqual(story.look(1, untold), { 'MIG-a': 'nvidia-smi does not tell the MIG devices of its GPU.' })
  t.deepEqual(new Story().look(0, untold), { 'GPU-01': 'MIG is on.' })
})

test('what is not told for once is what it was; a GPU that never tells its model gets no runs', (t) => {
  const story = new Story()
  story.look(0, read([seen('GPU-01')]))
  story.look(1, read([seen('GPU-01', { model: '', memoryBytes: 0, busId: '', trouble: 'ERR!' })]))
  const [known] = story.known
  t.deepEqual([known?.model, known?.memoryBytes, known?.busId], ['Tesla T4', 16e9, '0000:01:00'])
  t.is(new Story().look(0, read([seen('GPU-02', { model: '' })]))['GPU-02'], 'It does not tell its model.')
})
