import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { silentLog } from '../../../common/log.js'
import { seededRandom } from '../../../common/random.js'
import { LogShipper } from '../../../node-agent/logs/log-shipper.js'
import type { Conversation } from '../../../proto/channel.js'
import { type AttemptId, attemptKey } from '../../../proto/model/attempt.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

interface Chunk {
  readonly id: AttemptId
  readonly offset: number
  readonly data: Buffer
}

test('a log that says little gets its turn while four others fill everything that may be under way', async (t) => {
  const folder = await temporaryFolder(t)
  const busyBytes = 8 << 20
  const shipper = new LogShipper({ clock: systemClock, random: seededRandom(1), log: silentLog })
  const ended = new AbortController()
  t.teardown(async () => {
    ended.abort()
    await shipper.close()
  })
  const unsafe = new Set<string>()
  const allSafe = new Promise<void>((resolve) =>
    shipper.onSafe((id) => {
      unsafe.delete(attemptKey(id))
      if (unsafe.size === 0) resolve()
    }),
  )
  for (const runId of [1, 2, 3, 4, 5]) {
    const id = { runId, attempt: 1 }
    const file = join(folder, String(runId))
    await writeFile(file, 'a line\n')
    if (runId < 5) await truncate(file, busyBytes)
    shipper.add({ id, file, limitBytes: 1 << 30, origin: 'fresh' })
    shipper.finish(id, runId < 5 ? busyBytes : 7)
    unsafe.add(attemptKey(id))
  }
  const { channel, came } = makeLeader()
  const running = shipper.run(channel, ended.signal)
  await allSafe
  ended.abort()
  await running
  t.true(came.indexOf(5) < came.length - 20, `chunk ${came.indexOf(5)} of ${came.length}`)
})

/** Takes one chunk at a time, and only once no more comes by itself. */
function makeLeader() {
  const came: number[] = []
  const waiting: Chunk[] = []
  const replies = new Readable({ objectMode: true, read: () => undefined })
  let idle: NodeJS.Immediate | undefined
  const answerOne = (): void => {
    const chunk = waiting.shift()
    if (!chunk) return
    const durableBytes = chunk.offset + chunk.data.length
    replies.push({ replies: [{ id: chunk.id, durableBytes, refused: false }] })
    idle = setImmediate(answerOne)
  }
  const conversation: Conversation<never> = {
    async write(message) {
      const { chunks } = message as { readonly chunks: readonly Chunk[] }
      came.push(...chunks.map(({ id }) => id.runId))
      waiting.push(...chunks)
      if (idle) clearImmediate(idle)
      idle = setImmediate(answerOne)
    },
    end: () => undefined,
    cancel: () => undefined,
    [Symbol.asyncIterator]: () => replies[Symbol.asyncIterator]() as AsyncIterator<never>,
  }
  const channel = {
    async conversation(_method: unknown, { signal }: { readonly signal?: AbortSignal | undefined } = {}) {
      signal?.addEventListener('abort', () => replies.destroy(new Error('over')))
      return conversation
    },
  }
  return { channel, came }
}
