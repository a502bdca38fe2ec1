import { fingerprint } from '../common/certificates.js'
import type { Clock } from '../common/clock.js'
import type { Log } from '../common/log.js'
import type { ObjectStore } from '../spellfs/object-store.js'
import type { AuditLog } from './audit/audit-log.js'
import { CodeObjects } from './files/code-objects.js'
import { ResourceFiles } from './files/resource-files.js'
import { logHandlers } from './home/serve-logs.js'
import { objectHandlers } from './home/serve-objects.js'
import type { Served } from './home/served.js'
import type { Leader } from './leader.js'
import type { LogStore } from './logs/log-store.js'
import { accountHandlers } from './rpc/account-handlers.js'
import { type ClusterFacts, clusterHandlers } from './rpc/cluster-handlers.js'
import { CodeCheck } from './rpc/code-check.js'
import { loadDescriptors } from './rpc/descriptors.js'
import { fileHandlers } from './rpc/file-handlers.js'
import { ImageCheck } from './rpc/image-check.js'
import { type JoinFacts, joinHandlers } from './rpc/join-handlers.js'
import { type KeepingParts, keepingHandlers } from './rpc/keeping-handlers.js'
import type { Leading } from './rpc/leading.js'
import { logSteering } from './rpc/log-steering.js'
import { nodeAdminHandlers } from './rpc/node-admin-handlers.js'
import { type MemberCall, makeNodeEndpoint } from './rpc/node-endpoint.js'
import { nodeHandlers } from './rpc/node-handlers.js'
import { peopleHandlers } from './rpc/people-handlers.js'
import { projectHandlers } from './rpc/project-handlers.js'
import { RenewableCredentials } from './rpc/renewable-credentials.js'
import type { Rule } from './rpc/rule.js'
import { runHandlers } from './rpc/run-handlers.js'
import type { RunLines } from './rpc/run-lines.js'
import { runRecordsOf } from './rpc/run-outputs.js'
import type { EndedCall, Endpoint } from './rpc/server.js'
import { tokenHandlers } from './rpc/token-handlers.js'
import { typeAdminHandlers } from './rpc/type-admin-handlers.js'
import { UserEndpoint } from './rpc/user-endpoint.js'
import type { TlsFiles } from './tls-files.js'

export interface EndpointsParts {
  readonly clock: Clock
  readonly log: Log
  readonly tls: TlsFiles
  readonly store: ObjectStore
  readonly logs: LogStore
  /** What other coordinators are given; undefined: the store is not at home here. */
  readonly served: Served | undefined
  readonly lines: RunLines
  /** What submissions are refused by name for. */
  readonly notYet: readonly Rule[]
  readonly maxObjectBytes: number
  leading(): Leading
  facts(): ClusterFacts
  joinFacts(): JoinFacts
  readonly keeping: Omit<KeepingParts, 'facts'>
  readonly audit: AuditLog
  /** After each call, of users and nodes alike. */
  called(method: string, code: number, milliseconds: number): void
}

/** The two ports of a coordinator. They stay open while it gains and loses the lead. */
export class Endpoints {
  readonly users: UserEndpoint
  readonly nodes: Endpoint<MemberCall>
  readonly #userCredentials: RenewableCredentials
  readonly #nodeCredentials: RenewableCredentials

  constructor(parts: EndpointsParts) {
    this.#userCredentials = new RenewableCredentials('anyone', parts.tls)
    this.#nodeCredentials = new RenewableCredentials('certified', parts.tls)
    const { store, logs, clock, log } = parts
    const count = ({ method, code, milliseconds }: EndedCall<unknown>) =>
      parts.called(`${method.service}/${method.name}`, code, milliseconds)
    const caSha256 = fingerprint(parts.tls.ca.toString())
    const wayIn = () => ({
      caSha256,
      addresses: parts.facts().coordinators.map(({ userAddress }) => userAddress),
    })
    const objects = new CodeObjects(store, { maxObjectBytes: parts.maxObjectBytes })
    this.users = new UserEndpoint({
      ...parts,
      ca: parts.tls.ca.toString(),
      observe: (call) => {
        count(call)
        logSteering(log, call)
      },
      descriptors: loadDescriptors(),
      handlers: {
        ...runHandlers({ ...parts, images: new ImageCheck(clock), code: new CodeCheck(objects) }),
        ...projectHandlers,
        ...fileHandlers({ objects, resourcesOf: resourcesOf(store) }),
        ...accountHandlers,
        ...clusterHandlers(() => parts.facts()),
        ...joinHandlers(() => parts.joinFacts()),
        ...nodeAdminHandlers,
        ...peopleHandlers(wayIn),
        ...tokenHandlers(wayIn),
        ...keepingHandlers({ ...parts.keeping, facts: () => parts.facts() }),
        ...typeAdminHandlers,
      },
    })
    this.nodes = makeNodeEndpoint({
      ...parts,
      observe: count,
      handlers: nodeHandlers({ logs, store, objects }),
      coordinatorHandlers: { ...objectHandlers(parts.served), ...logHandlers(parts.served) },
    })
  }

  /** Resolves with the ports. */
  async listen(userListen: string, agentListen: string) {
    const userPort = await this.users.endpoint.listen(userListen, this.#userCredentials)
    const nodePort = await this.nodes.listen(agentListen, this.#nodeCredentials)
    return { userPort, nodePort }
  }

  /** New connections see this certificate; those that are there go on. */
  serve(tls: TlsFiles): void {
    this.#userCredentials.renew(tls)
    this.#nodeCredentials.renew(tls)
  }

  /** This coordinator no longer leads: whoever is being answered by it is told so. */
  abortStreams(reason: Error): void {
    this.users.endpoint.abortStreams(reason)
    this.nodes.abortStreams(reason)
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all([this.users.close(graceMs), this.nodes.close(graceMs)])
  }
}

/** One set of resources for each leader, made on first use. */
function resourcesOf(store: ObjectStore): (leader: Leader) => ResourceFiles {
  const made = new WeakMap<Leader, ResourceFiles>()
  return (leader) => {
    const known = made.get(leader)
    if (known) return known
    const files = new ResourceFiles(store, runRecordsOf(leader))
    made.set(leader, files)
    return files
  }
}
