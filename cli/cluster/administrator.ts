import { readFileSync } from 'node:fs'
import type { Clock } from '../../common/clock.js'
import { Channel } from '../../proto/channel.js'
import type { ClusterInfo__Output } from '../../proto/gen/spell/v1/ClusterInfo.js'
import type { ListNodesResponse__Output } from '../../proto/gen/spell/v1/ListNodesResponse.js'
import type { ListRunsResponse__Output } from '../../proto/gen/spell/v1/ListRunsResponse.js'
import type { SteerResponse__Output } from '../../proto/gen/spell/v1/SteerResponse.js'
import { method } from '../../proto/wire.js'
import type { Layout } from './layout.js'
import { userAddresses } from './listeners.js'
import type { ClusterPlan } from './plan-file.js'
import { authorityFile, readAdminToken } from './trust.js'

const deadlineMs = 10_000
const pageSize = 1_000

/** The administrator of a local cluster, with the token that is in its folder, whoever the client's config says one is. */
export class Administrator {
  readonly #channel: Channel

  constructor(layout: Layout, plan: ClusterPlan, clock: Clock) {
    this.#channel = new Channel({
      addresses: userAddresses(plan),
      tls: { ca: readFileSync(authorityFile(layout), 'utf8') },
      token: readAdminToken(layout),
      clock,
    })
  }

  async cluster(): Promise<ClusterInfo__Output> {
    return await this.#call('Cluster', 'Get', {})
  }

  async nodes(): Promise<ListNodesResponse__Output['nodes']> {
    return (await this.#call<ListNodesResponse__Output>('Cluster', 'ListNodes', {})).nodes
  }

  async set(name: string, value: string): Promise<void> {
    await this.#call('Cluster', 'Set', { name, value })
  }

  /** Ids of all runs that have not ended, ascending. */
  async activeRuns(): Promise<readonly number[]> {
    const ids: number[] = []
    let pageToken = ''
    do {
      const request = {
        pageSize,
        pageToken,
        activeOnly: true,
        includeWorkspaces: true,
        includeArchived: true,
      }
      const page = await this.#call<ListRunsResponse__Output>('Runs', 'List', request)
      ids.push(...page.runs.map((run) => run.id))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    return ids.toSorted((one, other) => one - other)
  }

  async kill(runIds: readonly number[]): Promise<void> {
    for (let from = 0; from < runIds.length; from += pageSize)
      await this.#call<SteerResponse__Output>('Runs', 'Kill', { runIds: runIds.slice(from, from + pageSize) })
  }

  close(): void {
    this.#channel.close()
  }

  async #call<Response>(service: string, name: string, request: object): Promise<Response> {
    return await this.#channel.call<object, Response>(method(service, name), request, { deadlineMs })
  }
}
