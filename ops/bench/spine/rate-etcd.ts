import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { systemClock } from '../../../common/clock.js'
import { connectEtcd } from '../../../coordinator/store/etcd-client.js'
import { makeKeys } from '../../../coordinator/store/keys.js'
import { parseMetrics } from '../bench-cluster.js'

interface CoordinatorEtcd {
  readonly endpoints: readonly string[]
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
}

/** etcd of a benchmark's cluster, looked at from outside. */
export class RateEtcd {
  readonly #settings: CoordinatorEtcd

  constructor(dir: string) {
    const file = join(dir, 'settings/coordinator-1.json')
    this.#settings = (JSON.parse(readFileSync(file, 'utf8')) as { etcd: CoordinatorEtcd }).etcd
  }

  /** What etcd counts of itself, by name with labels. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const { ca, cert, key } = this.#secrets()
    const url = `https://${this.#settings.endpoints[0]}/metrics`
    const page = await new Promise<string>((resolve, reject) => {
      get(url, { ca, cert, key }, (answer) => text(answer).then(resolve, reject)).on('error', reject)
    })
    return parseMetrics(page)
  }

  /** Keys and values of all request ids, in bytes; without what etcd adds to each. */
  async requestIds(): Promise<{ readonly count: number; readonly bytes: number }> {
    const { ca, cert: certificate, key } = this.#secrets()
    const { endpoints } = this.#settings
    const etcd = connectEtcd({ endpoints, tls: { ca, certificate, key }, callTimeoutMs: 30_000 }, systemClock)
    const prefix = makeKeys('spell/').requests
    try {
      let [count, bytes] = [0, 0]
      for (let from: string | undefined = prefix; from !== undefined; ) {
        const page = await etcd.range({ prefix, from, limit: 5_000 })
        count += page.entries.length
        for (const entry of page.entries) bytes += entry.key.length + entry.value.length
        from = page.next
      }
      return { count, bytes }
    } finally {
      etcd.close()
    }
  }

  #secrets() {
    const { caFile, certFile, keyFile } = this.#settings
    return { ca: readFileSync(caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) }
  }
}
