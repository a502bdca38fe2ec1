import { isIP } from 'node:net'
import { fingerprint } from '../../common/certificates.js'
import { RpcError } from '../../common/errors.js'
import type { CreateJoinTokenRequest__Output } from '../../proto/gen/spell/v1/CreateJoinTokenRequest.js'
import type { JoinCoordinatorRequest__Output } from '../../proto/gen/spell/v1/JoinCoordinatorRequest.js'
import type { JoinNodeRequest__Output } from '../../proto/gen/spell/v1/JoinNodeRequest.js'
import type { RenewRequest__Output } from '../../proto/gen/spell/v1/RenewRequest.js'
import type { RevokeJoinTokenRequest__Output } from '../../proto/gen/spell/v1/RevokeJoinTokenRequest.js'
import type { JoinKind, JoinTokenRecord } from '../core/join-records.js'
import type { JoinTokenRequest } from '../leader/join-tokens.js'
import { tokenId } from '../leader/join-tokens.js'
import { type Handlers, unary } from './call.js'
import type { CoordinatorFacts } from './cluster-handlers.js'
import { byteLength, hasControlCharacters } from './text.js'
import type { UserCall } from './user-call.js'

/** What the leading coordinator tells whoever joins, from its own settings and disk. */
export interface JoinFacts {
  readonly clusterName: string
  readonly leaderId: string
  /** The authority's certificate, PEM. */
  readonly caPem: string
  readonly clusterKey: Buffer | undefined
  readonly etcd: {
    readonly endpoints: readonly string[]
    readonly prefix: string
    readonly maxOperations: number
    readonly quotaBytes: number
  }
  /** Empty: the store is not here. */
  readonly storeDirectory: string
  /** The coordinator that serves it to the others; empty: each has it. */
  readonly storeHome: string
  readonly coordinators: readonly CoordinatorFacts[]
  readonly nowMs: number
}

const secondsADay = 86_400
const tokenLimits = { uses: 1_000, ttlSeconds: 30 * secondsADay, usualTtlSeconds: 3_600, typeBytes: 128 }
const maxNames = 32
const maxMachineIdBytes = 128

const memberName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const hostName =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/

export function joinHandlers(facts: () => JoinFacts): Handlers<UserCall> {
  return {
    'Join/Node': unary<JoinNodeRequest__Output, UserCall>((request, call) =>
      joinNode(facts(), request, call),
    ),
    'Join/Coordinator': unary<JoinCoordinatorRequest__Output, UserCall>((request, call) =>
      joinCoordinator(facts(), request, call),
    ),
    'Join/Renew': unary<RenewRequest__Output, UserCall>(async (request, { leader }) => ({
      certificatePem: await leader.joins.renew(request),
      caPem: facts().caPem,
    })),
    'JoinTokens/Create': unary<CreateJoinTokenRequest__Output, UserCall>(
      async (request, { leader, user }) => {
        const record = await leader.joins.createToken(tokenRequest(request, user.name))
        const { caPem, coordinators } = facts()
        return {
          id: tokenId(record),
          token: record.token,
          caSha256: fingerprint(caPem),
          addresses: coordinators.map(({ userAddress }) => userAddress),
          expiresAtMs: record.expiresAtMs,
        }
      },
    ),
    'JoinTokens/List': unary<unknown, UserCall>(async (_, { leader }) => ({
      tokens: (await leader.joins.tokens()).map(tokenToWire),
    })),
    'JoinTokens/Revoke': unary<RevokeJoinTokenRequest__Output, UserCall>(async ({ id }, { leader }) => {
      await leader.joins.revokeToken(id)
      return {}
    }),
  }
}

async function joinNode(
  facts: JoinFacts,
  request: JoinNodeRequest__Output,
  { leader }: UserCall,
): Promise<object> {
  const { name, machineId } = request
  checkMemberName('node', name)
  if (byteLength(machineId) > maxMachineIdBytes || hasControlCharacters(machineId))
    throw new RpcError(
      'INVALID_ARGUMENT',
      `The machine's id has more than ${maxMachineIdBytes} bytes, or control characters.`,
    )
  const { membership, certificatePem } = await leader.joins.node(request)
  const { caPem, clusterName, nowMs, coordinators } = facts
  return {
    ...{ certificatePem, caPem, clusterName, nowMs },
    nodeId: membership.holder.replace(/^node:/, ''),
    machineType: membership.machineType,
    coordinators: coordinators.map(({ agentAddress }) => agentAddress),
    userAddresses: coordinators.map(({ userAddress }) => userAddress),
  }
}

async function joinCoordinator(
  facts: JoinFacts,
  request: JoinCoordinatorRequest__Output,
  { leader }: UserCall,
): Promise<object> {
  const { id, userAddress, agentAddress, names } = request
  checkMemberName('coordinator', id)
  if (names.length > maxNames)
    throw new RpcError(
      'INVALID_ARGUMENT',
      `A certificate has at most ${maxNames} names, not ${names.length}.`,
    )
  const { clusterKey, etcd, storeDirectory, storeHome, coordinators, caPem, clusterName, nowMs, leaderId } =
    facts
  const certificatePem = await leader.joins.coordinator({
    ...request,
    hosts: [hostOf(userAddress), hostOf(agentAddress), ...names.map(checkHost)],
    taken: coordinators.map((coordinator) => coordinator.id),
  })
  return {
    ...{ certificatePem, caPem, clusterName, nowMs, leaderId, coordinators, storeDirectory, storeHome },
    clusterKey,
    etcdEndpoints: etcd.endpoints,
    etcdPrefix: etcd.prefix,
    etcdMaxOperations: etcd.maxOperations,
    etcdQuotaBytes: etcd.quotaBytes,
  }
}

function checkMemberName(what: JoinKind, name: string): void {
  if (memberName.test(name)) return
  throw new RpcError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(name.slice(0, 100))} cannot be the name of a ${what}: 1 to 63 letters, digits, - . _, beginning with a letter or digit.`,
  )
}

/** Of `host:port`. */
function hostOf(address: string): string {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(address)
  const host = found?.[1] ?? found?.[2]
  if (host !== undefined && Number(found?.[3]) <= 65_535) return checkHost(host)
  throw new RpcError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(address.slice(0, 100))} is no address: it must be host:port.`,
  )
}

function checkHost(host: string): string {
  if (isIP(host) !== 0 || hostName.test(host)) return host
  throw new RpcError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(host.slice(0, 100))} is no host name and no IP address.`,
  )
}

function tokenRequest(request: CreateJoinTokenRequest__Output, creator: string): JoinTokenRequest {
  const { machineType } = request
  const kind = kindFromWire(request.kind)
  const uses = request.uses || 1
  const ttlSeconds = request.ttlSeconds || tokenLimits.usualTtlSeconds
  if (uses > tokenLimits.uses)
    throw new RpcError('INVALID_ARGUMENT', `A join token is good for at most ${tokenLimits.uses} machines.`)
  if (ttlSeconds > tokenLimits.ttlSeconds)
    throw new RpcError(
      'INVALID_ARGUMENT',
      `A join token lives for at most ${tokenLimits.ttlSeconds / secondsADay} days.`,
    )
  if (machineType !== '' && kind !== 'node')
    throw new RpcError('INVALID_ARGUMENT', 'Only nodes have a machine type.')
  if (byteLength(machineType) > tokenLimits.typeBytes || hasControlCharacters(machineType))
    throw new RpcError('INVALID_ARGUMENT', 'That cannot be the name of a machine type.')
  return { kind, uses, ttlMs: ttlSeconds * 1_000, creator, machineType }
}

function kindFromWire(kind: CreateJoinTokenRequest__Output['kind']): JoinKind {
  if (kind === 'JOIN_NODE') return 'node'
  if (kind === 'JOIN_COORDINATOR') return 'coordinator'
  throw new RpcError('INVALID_ARGUMENT', 'A join token is for a node or for a coordinator.')
}

function tokenToWire(record: JoinTokenRecord): object {
  const { kind, uses, spent, createdAtMs, expiresAtMs, creator, machineType } = record
  return {
    ...{ uses, spent, createdAtMs, expiresAtMs, creator, machineType },
    id: tokenId(record),
    kind: kind === 'node' ? 'JOIN_NODE' : 'JOIN_COORDINATOR',
  }
}
