import type { LogStore } from './logs/log-store.js'
import type { Metrics } from './metrics.js'

/** The same thing; `failed` is told of every promise of its methods that rejects, and of every stream that breaks off. */
export function reportFailures<Target extends object>(
  target: Target,
  failed: (error: unknown) => void,
): Target {
  return new Proxy(target, {
    get(_, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => {
        const answer: unknown = Reflect.apply(member, target, args)
        if (answer instanceof Promise) answer.catch(failed)
        return isStream(answer) ? watched(answer, failed) : answer
      }
    },
  })
}

function isStream(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer
}

async function* watched(items: AsyncIterable<unknown>, failed: (error: unknown) => void) {
  try {
    yield* items
  } catch (error) {
    failed(error)
    throw error
  }
}

/** The same log store; bytes on their way to the disk are counted. */
export function meteredLogs(logs: LogStore, metrics: Metrics): LogStore {
  const metered = reportFailures(logs, () => metrics.storeFailed('objects'))
  const write: LogStore['write'] = async (id, offset, data) => {
    metrics.logBegun(data.length)
    return await logs.write(id, offset, data).finally(() => metrics.logEnded(data.length))
  }
  return new Proxy(metered, {
    get: (target, name) => (name === 'write' ? write : Reflect.get(target, name, target)),
  })
}
