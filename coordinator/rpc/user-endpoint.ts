import type { Metadata } from '@grpc/grpc-js'
import type { PackageDefinition } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { RpcError } from '../../common/errors.js'
import { apiVersion, apiVersionHeader, areNeighbours, neighboursOf } from '../../proto/model/versions.js'
import { allMethods, type Method } from '../../proto/wire.js'
import type { AuditLog } from '../audit/audit-log.js'
import type { Leader } from '../leader.js'
import { version } from '../version.js'
import { audited, refusalEntry } from './audited.js'
import type { Handlers, LiveCall } from './call.js'
import { LeaderClients, wasForwarded } from './forward.js'
import { Health } from './health.js'
import { type Leading, noLeader } from './leading.js'
import { isForCoordinators } from './permissions.js'
import { repairDescriptors } from './repair-descriptors.js'
import { type Admission, Endpoint, type EndpointParts } from './server.js'
import { UserCall, whoAsks } from './user-call.js'

export interface UserEndpointParts extends Pick<EndpointParts<UserCall>, 'observe' | 'log' | 'clock'> {
  readonly handlers: Handlers<UserCall>
  readonly descriptors: PackageDefinition
  /** PEM of the cluster's authority, which has signed the other coordinators' certificates. */
  readonly ca: string
  leading(): Leading
  readonly audit: Pick<AuditLog, 'add' | 'addRefusal'>
}

/** The users' port: calls are answered by the leader, on whichever coordinator they arrive. */
export class UserEndpoint {
  readonly endpoint: Endpoint<UserCall>
  readonly health: Health
  readonly #leaders: LeaderClients
  /** Calls under way, by the address of the leader that they went to. */
  readonly #passedOn = new Map<string, Set<LiveCall>>()
  readonly #audit: UserEndpointParts['audit']
  readonly #clock: UserEndpointParts['clock']

  constructor(parts: UserEndpointParts) {
    const methods = userMethods()
    const { audit, clock } = parts
    this.#audit = audit
    this.#clock = clock
    this.#leaders = new LeaderClients(parts.ca)
    this.endpoint = new Endpoint({
      ...parts,
      handlers: audited(parts.handlers, {
        write: (entry) => audit.add(entry),
        writeRefusal: (entry) => audit.addRefusal(entry),
        now: () => clock.now(),
      }),
      methods,
      admit: (method, live) => this.#admit(parts.leading(), method, live),
    })
    const services = [...new Set(methods.map((method) => `spell.v1.${method.service}`))]
    this.health = new Health(services)
    this.health.addTo(this.endpoint.server, parts.descriptors)
    new ReflectionService(repairDescriptors(parts.descriptors)).addToServer(this.endpoint.server)
  }

  async close(graceMs: number): Promise<void> {
    this.health.close()
    await this.endpoint.close(graceMs)
    this.#leaders.close()
  }

  /** Of a leader who leads no more no answer may come for long: who waits for one hears that at once and asks again. */
  leaderIs(address: string | undefined): void {
    for (const [leader, calls] of this.#passedOn) {
      if (leader === address) continue
      for (const call of [...calls]) call.abort(leaderLost())
    }
  }

  #passOn(leader: string, live: LiveCall): void {
    const calls = this.#passedOn.get(leader) ?? new Set()
    this.#passedOn.set(leader, calls.add(live))
    live.onEnded(() => {
      calls.delete(live)
      if (calls.size === 0) this.#passedOn.delete(leader)
    })
  }

  #admit(leading: Leading, method: Method<unknown, unknown>, live: LiveCall): Admission<UserCall> {
    switch (leading.kind) {
      case 'here':
        return { kind: 'here', context: this.#call(`${method.service}/${method.name}`, live, leading.leader) }
      case 'elsewhere':
        if (wasForwarded(live.metadata)) throw noLeader()
        this.#passOn(leading.userAddress, live)
        return { kind: 'forward', client: this.#leaders.to(leading.userAddress) }
      case 'nobody':
        throw leading.because ?? noLeader()
    }
  }

  /** Throws UNAUTHENTICATED or PERMISSION_DENIED, after it was told of. */
  #call(name: string, live: LiveCall, leader: Leader): UserCall {
    checkVersion(live.metadata)
    try {
      return new UserCall(name, live, leader)
    } catch (error) {
      if (error instanceof RpcError) {
        const user = whoAsks(live, leader)
        this.#audit.addRefusal(refusalEntry(name, live, { user, error, nowMs: this.#clock.now() }))
      }
      throw error
    }
  }
}

/** FAILED_PRECONDITION: the caller's version of the API is none that is understood here. Not everybody says one. */
function checkVersion(metadata: Metadata): void {
  const [said] = metadata.get(apiVersionHeader)
  if (said === undefined || areNeighbours(Number(said), apiVersion)) return
  throw new RpcError(
    'FAILED_PRECONDITION',
    `The client speaks version ${said} of the API; this cluster (${version}) speaks ${apiVersion} and takes ${neighboursOf(apiVersion)}. Install a spell that is nearer to it.`,
  )
}

function leaderLost(): RpcError {
  return new RpcError('UNAVAILABLE', 'The coordinator that led does not lead any more.', {
    trailers: { 'retry-after-ms': '250' },
  })
}

/** Every method of every service but those of the agents' port. */
export function userMethods(): readonly Method<unknown, unknown>[] {
  return allMethods().filter(
    ({ service, name }) => service !== 'Agents' && !isForCoordinators(`${service}/${name}`),
  )
}
