import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { Clock } from '../../common/clock.js'
import { SettingsError } from '../../common/settings.js'
import { makeBootClock } from '../../node-agent/boot-clock.js'
import { fencePlan } from '../../node-agent/fence.js'
import { Heartbeats } from '../../node-agent/link/heartbeats.js'
import { Outbox } from '../../node-agent/link/outbox.js'
import { readNodeSettings } from '../../node-agent/settings.js'

/** Time that passes when the test says so; `suspend` passes for the machine only. */
function makeTime() {
  let monotonicMs = 1_000
  let uptimeMs = 50_000
  const timers: { atMs: number; action: () => void }[] = []
  const clock: Clock = {
    now: () => monotonicMs,
    monotonic: () => monotonicMs,
    sleep: () => new Promise(() => undefined),
    timer(ms, action) {
      const timer = { atMs: monotonicMs + ms, action }
      timers.push(timer)
      return { cancel: () => timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0) }
    },
  }
  const pass = (ms: number) => {
    monotonicMs += ms
    uptimeMs += ms
    for (const timer of timers.filter(({ atMs }) => atMs <= monotonicMs)) {
      timers.splice(timers.indexOf(timer), 1)
      timer.action()
    }
  }
  const suspend = (ms: number) => {
    uptimeMs += ms
  }
  const boot = makeBootClock(clock, { bootId: 'b1', uptimeMs: () => uptimeMs })
  return { clock, boot, pass, suspend }
}

test('the boot clock counts suspend, which timers do not', (t) => {
  const { boot, pass, suspend } = makeTime()
  t.is(boot.now(), 50_000)
  let rang = 0
  boot.at(50_000 + 3_600_000, () => {
    rang += 1
  })
  pass(1_000)
  t.is(boot.now(), 51_000)
  suspend(3_598_000)
  pass(1_000)
  t.is(boot.now(), 50_000 + 3_600_000)
  t.is(rang, 0)
  pass(29_000)
  t.is(rang, 1, 'it looks at least every half minute')
})

test('a replaceable attempt is over before the leader starts the next one', (t) => {
  t.deepEqual(fencePlan(300_000, 60_000), { beginAfterMs: 230_000, graceMs: 60_000 })
  for (const [lostAfterMs, graceMs] of [
    [300_000, 60_000],
    [300_000, 3_600_000],
    [1_000, 60_000],
    [20_000, 0],
  ] as const) {
    const plan = fencePlan(lostAfterMs, graceMs)
    t.true(plan.beginAfterMs > 0 && plan.graceMs <= graceMs)
    t.true(
      plan.beginAfterMs + plan.graceMs <= lostAfterMs * 0.9 ||
        lostAfterMs - plan.beginAfterMs - plan.graceMs >= 10_000,
    )
  }
})

test('what counts is when the newest acknowledged heartbeat was sent, across restarts of the agent', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spell-heard-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'heard.json')
  const { boot, pass } = makeTime()
  const heartbeats = new Heartbeats(boot, file)
  t.is(heartbeats.heardAtMs, undefined)
  const first = heartbeats.send()
  pass(100)
  const second = heartbeats.send()
  pass(500)
  heartbeats.acknowledged(second)
  heartbeats.acknowledged(first)
  t.is(heartbeats.heardAtMs, 50_100)
  const third = heartbeats.send()
  heartbeats.forgetSent()
  heartbeats.acknowledged(third)
  t.is(heartbeats.heardAtMs, 50_100, 'an answer of another link counts nothing')
  heartbeats.close()
  const again = new Heartbeats(boot, file)
  t.is(again.heardAtMs, 50_100)
  again.close()
  const afterBoot = new Heartbeats({ ...boot, bootId: 'b2' }, file)
  t.is(afterBoot.heardAtMs, undefined)
  afterBoot.close()
})

test('reports stay in the outbox until they are answered', (t) => {
  const outbox = new Outbox()
  const id = { runId: 1, attempt: 1 }
  const event = { kind: 'finished' } as const
  for (const number of [1, 2, 3]) outbox.add({ id, number, durationMs: 0, released: false, event })
  t.deepEqual(
    outbox.take(2).map(({ number }) => number),
    [1, 2],
  )
  outbox.answered(id, 1)
  outbox.rewind()
  t.deepEqual(
    outbox.take(9).map(({ number }) => number),
    [2, 3],
  )
  t.false(outbox.hasUnsent)
  outbox.answered(id, 3)
  t.false(outbox.hasUnanswered(id))
})

test('an answer that overtakes a resend takes the reports out of it', (t) => {
  const outbox = new Outbox()
  const id = { runId: 1, attempt: 1 }
  const event = { kind: 'finished' } as const
  for (const number of [1, 2]) outbox.add({ id, number, durationMs: 0, released: false, event })
  outbox.answered(id, 2)
  t.deepEqual(outbox.take(9), [])
})

test('every mistake in the settings is named at once', (t) => {
  const error = t.throws(() =>
    readNodeSettings(['--name', 'a b', '--runtime', 'podman', '--cpus', '-1', '--wrong', '1']),
  )
  t.true(error instanceof SettingsError)
  for (const word of ['name', 'runtime', 'cpus', '--wrong', 'dataDir', 'coordinators', 'tls'])
    t.regex(error?.message ?? '', new RegExp(word))
})
