import test from 'ava'
import { RpcError } from '../../common/errors.js'
import type { FollowRequest__Output } from '../../proto/gen/spell/v1/FollowRequest.js'
import { loggedIn } from './support/logged-in.js'
import { aRun, pipeline, wholeStory } from './support/runs.js'

const log = Buffer.from(Array.from({ length: 5_000 }, (_, line) => `line ${line} ä\n`).join(''))
const running = pipeline.slice(0, 4)

/** Sends the log in pieces from the offset asked for, and breaks off after some of them. */
async function* breaking(
  request: FollowRequest__Output,
  pieces: number,
  slack: number,
): AsyncGenerator<object> {
  yield { run: aRun(7, running) }
  const start = Math.max(0, request.offset - slack)
  for (let piece = 0; piece < pieces; piece++) {
    const offset = start + piece * 1_000
    if (offset >= log.length) break
    yield { log: { attempt: 1, offset, data: log.subarray(offset, offset + 1_000) } }
  }
  if (start + pieces * 1_000 < log.length)
    throw new RpcError('UNAVAILABLE', 'This coordinator no longer leads.')
  yield { run: aRun(7, pipeline, { exitCode: 0, logBytes: log.length }) }
}

test('a follower whose coordinator goes away misses and repeats no byte, and says what happens', async (t) => {
  let calls = 0
  const { spell, coordinator } = await loggedIn(t, {
    // A server that sends a little more than was asked for must not lead to repetition either.
    'Runs/Follow': (request) => breaking(request, 7, calls++ % 2 === 0 ? 0 : 333),
  })
  const { code, stdout, stderr } = await spell(['logs', '-f', '7'])
  t.is(code, 0)
  t.true(stdout.includes(`✨ Run is running\n${log}✨ Run is saving\n`))
  t.is(stdout.split('Run is running').length, 2)
  const requests = coordinator.requestsOf<FollowRequest__Output>('Runs/Follow')
  t.true(requests.length > 5)
  t.like(requests.at(-1), { attempt: 1, statesSeen: running.length })
  t.true((requests.at(-1)?.offset ?? 0) > 0)
  t.regex(
    stderr,
    /Lost sight of the run: This coordinator no longer leads\.\. It goes on; trying again…|Lost sight of the run: This coordinator no longer leads/,
  )
  t.regex(stderr, /Following again\./)
})

test('a follower waits for a coordinator that has crashed', async (t) => {
  let calls = 0
  const { start, coordinator } = await loggedIn(t, {
    async *'Runs/Follow'(_request, { signal }) {
      calls += 1
      if (calls > 1) return yield* wholeStory(7, Buffer.from('all of it\n'))
      yield { run: aRun(7, running) }
      yield { log: { attempt: 1, offset: 0, data: Buffer.from('all ') } }
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  })
  const spell = start(['logs', '-f', '7'])
  await spell.until(/all $/)
  await coordinator.crash()
  await coordinator.listen()
  const { code, stdout } = await spell.ended
  t.is(code, 0)
  t.is(stdout.match(/Run is running/g)?.length, 1)
  t.true(stdout.includes('all of it\n✨ Run is saving'), stdout)
})

test('states that come before the last of the log has arrived are told after it', async (t) => {
  const { spell } = await loggedIn(t, {
    async *'Runs/Follow'() {
      yield { run: aRun(7, pipeline, { exitCode: 0, logBytes: 6 }) }
      yield { log: { attempt: 1, offset: 0, data: Buffer.from('abc') } }
      yield { log: { attempt: 1, offset: 3, data: Buffer.from('de\n') } }
    },
  })
  const { stdout } = await spell(['logs', '7'])
  t.true(stdout.includes('✨ Run is running\nabcde\n✨ Run is saving\n'), stdout)
})

test('--raw prints the bytes of the log alone', async (t) => {
  const bytes = Buffer.from([0, 1, 255, 13, 10, 200])
  const { spell } = await loggedIn(t, { 'Runs/Follow': () => wholeStory(7, bytes) })
  t.deepEqual((await spell(['logs', '--raw', '7'])).bytes, bytes)
})

test('--tail asks for so many lines and shows nothing but them', async (t) => {
  const { spell, coordinator } = await loggedIn(t, {
    'Runs/Follow': () => wholeStory(7, Buffer.from('b\nc\n')),
  })
  t.is((await spell(['logs', '-n', '2', '7'])).stdout, 'b\nc\n')
  t.like(coordinator.requestsOf<FollowRequest__Output>('Runs/Follow')[0], { tailLines: 2, follow: false })
  await spell(['logs', '-n', '4294967297', '7'])
  t.is(coordinator.requestsOf<FollowRequest__Output>('Runs/Follow')[1]?.tailLines, 4_294_967_295)
})

test('a closed pipe ends the program quietly', async (t) => {
  const { start } = await loggedIn(t, {
    async *'Runs/Follow'() {
      yield { run: aRun(7, running) }
      for (let offset = 0; ; offset += log.length) yield { log: { attempt: 1, offset, data: log } }
    },
  })
  const spell = start(['logs', '-f', '7'])
  await spell.until(/line 100 /)
  spell.closeStdout()
  const { code, stderr } = await spell.ended
  t.is(code, 0)
  t.is(stderr, '')
})

test('a second attempt is told from its own beginning', async (t) => {
  const { spell } = await loggedIn(t, {
    async *'Runs/Follow'() {
      yield { run: aRun(7, running) }
      yield { log: { attempt: 1, offset: 0, data: Buffer.from('first\n') } }
      const again = [...running, 'machine_requested', 'building', 'running']
      yield { run: aRun(7, again, { attempt: 2 }) }
      yield { log: { attempt: 2, offset: 0, data: Buffer.from('second\n') } }
      yield { run: aRun(7, [...again, 'saving', 'complete'], { attempt: 2, logBytes: 7 }) }
    },
  })
  const { stdout } = await spell(['logs', '-f', '7'])
  t.regex(
    stdout,
    /first\n✨ Run is machine_requested\n✨ Run is building\n✨ Run is running\nsecond\n✨ Run is saving/,
  )
})

test('somebody who waits is told what for, and again when it changes', async (t) => {
  const waiting = (reason: string, queuePosition: number) => ({
    run: aRun(7, ['machine_requested'], { reason, queuePosition }),
  })
  const { spell } = await loggedIn(t, {
    async *'Runs/Follow'() {
      yield waiting('waiting for a V100 machine', 3)
      yield waiting('waiting for a V100 machine', 2)
      yield waiting('Waiting for a V100 machine, behind older runs', 2)
      yield waiting('No node has a V100 machine now; it starts when one that has joins', 1)
      yield* wholeStory(7, Buffer.alloc(0))
    },
  })
  const { stdout } = await spell(['logs', '-f', '7'])
  t.true(
    stdout.startsWith(
      [
        '✨ Run is machine_requested',
        '✨ Machine_Requested… waiting for a V100 machine, position 3',
        '✨ Machine_Requested… waiting for a V100 machine, position 2, behind older runs',
        '✨ Machine_Requested… no node has a V100 machine now, position 1; it starts when one that has joins',
        '',
      ].join('\n'),
    ),
    stdout,
  )
})
