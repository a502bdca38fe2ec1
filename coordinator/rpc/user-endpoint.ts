import type { PackageDefinition } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { allMethods, type Method } from '../../proto/wire.js'
import type { Handlers, LiveCall } from './call.js'
import { LeaderClients, wasForwarded } from './forward.js'
import { Health } from './health.js'
import { type Leading, noLeader } from './leading.js'
import { repairDescriptors } from './repair-descriptors.js'
import { type Admission, Endpoint, type EndpointParts } from './server.js'
import { UserCall } from './user-call.js'

export interface UserEndpointParts extends Pick<EndpointParts<UserCall>, 'observe' | 'log' | 'clock'> {
  readonly handlers: Handlers<UserCall>
  readonly descriptors: PackageDefinition
  /** PEM of the cluster's authority, which has signed the other coordinators' certificates. */
  readonly ca: string
  leading(): Leading
}

/** The users' port: calls are answered by the leader, on whichever coordinator they arrive. */
export class UserEndpoint {
  readonly endpoint: Endpoint<UserCall>
  readonly health: Health
  readonly #leaders: LeaderClients

  constructor(parts: UserEndpointParts) {
    const methods = userMethods()
    this.#leaders = new LeaderClients(parts.ca)
    this.endpoint = new Endpoint({
      ...parts,
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

  #admit(leading: Leading, method: Method<unknown, unknown>, live: LiveCall): Admission<UserCall> {
    switch (leading.kind) {
      case 'here':
        return {
          kind: 'here',
          context: new UserCall(`${method.service}/${method.name}`, live, leading.leader),
        }
      case 'elsewhere':
        if (wasForwarded(live.metadata)) throw noLeader()
        return { kind: 'forward', client: this.#leaders.to(leading.userAddress) }
      case 'nobody':
        throw leading.because ?? noLeader()
    }
  }
}

/** Every method of every service but the agents'. */
export function userMethods(): readonly Method<unknown, unknown>[] {
  return allMethods().filter((method) => method.service !== 'Agents')
}
