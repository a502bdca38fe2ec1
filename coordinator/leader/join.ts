import { randomInt } from 'node:crypto'
import { isIP } from 'node:net'
import { type CertificateRequest, certify, etcdClientName } from '../../common/certificates.js'
import { RpcError } from '../../common/errors.js'
import { isProven, keySha256, p256Key } from '../../common/key-proof.js'
import type { JoinKind, JoinTokenRecord, Membership } from '../core/join-records.js'
import { authorityOf, validity } from './authority.js'
import { findToken, spendToken } from './join-tokens.js'
import { holderOfNode, isHolderRemoved, putMembership } from './membership.js'
import type { Term } from './term.js'

/** Members and removed ones together. */
const maxMemberships = 100_000

export interface KeyClaim {
  readonly token: string
  readonly publicKeyPem: string
  /** By the key's holder over the token: common/key-proof.ts. */
  readonly signature: Uint8Array
}

export interface NodeJoin extends KeyClaim {
  readonly name: string
  readonly machineId: string
}

export interface CoordinatorJoin extends KeyClaim {
  readonly id: string
  /** Of its certificate. */
  readonly hosts: readonly string[]
  /** Ids of coordinators that run. */
  readonly taken: readonly string[]
}

/** The same key joins as the same node, with a new certificate, as often as it likes while its token lives. */
export async function joinNode(
  term: Term,
  request: NodeJoin,
): Promise<{ readonly membership: Membership; readonly certificatePem: string }> {
  const { name, machineId } = request
  const claim = checkClaim(term, request, 'node')
  const known = memberWith(term, claim.keySha256, 'node:')
  const holder = known?.holder ?? newNodeHolder(term)
  checkNodeName(term, name, holder)
  const membership = await admit(term, claim, known, { holder, name, machineId })
  const none = { dnsNames: [], ipAddresses: [] }
  return { membership, certificatePem: await claim.certify({ commonName: holder, ...none }) }
}

export async function joinCoordinator(term: Term, request: CoordinatorJoin): Promise<string> {
  const { id, hosts, taken } = request
  const claim = checkClaim(term, request, 'coordinator')
  const holder = `coordinator:${id}`
  const known = memberWith(term, claim.keySha256, 'coordinator:')
  if (known?.holder !== holder && (taken.includes(id) || term.memory.memberships.has(holder)))
    throw new RpcError(
      'ALREADY_EXISTS',
      `The cluster has a coordinator ${id} already. Give this one another name with --name.`,
    )
  if (known && known.holder !== holder)
    throw new RpcError(
      'ALREADY_EXISTS',
      `The key shown is already that of ${known.holder.replace(':', ' ')}. Join with a new one.`,
    )
  await admit(term, claim, known, { holder, name: id, machineId: '' })
  const all = [...new Set([...hosts, 'localhost', '127.0.0.1', etcdClientName])]
  return await claim.certify({
    commonName: holder,
    dnsNames: all.filter((host) => isIP(host) === 0),
    ipAddresses: all.filter((host) => isIP(host) !== 0),
  })
}

interface ProvenClaim {
  readonly token: JoinTokenRecord
  readonly keySha256: string
  certify(request: CertificateRequest): Promise<string>
}

function checkClaim(term: Term, claim: KeyClaim, kind: JoinKind): ProvenClaim {
  const token = findToken(term, claim.token, kind)
  const key = p256Key(claim.publicKeyPem)
  if (!key)
    throw new RpcError('INVALID_ARGUMENT', 'What was shown as a public key is none on the curve P-256.')
  const publicKeyPem = key.export({ type: 'spki', format: 'pem' }).toString()
  if (!isProven(publicKeyPem, { kind: 'join', token: claim.token }, claim.signature))
    throw new RpcError('PERMISSION_DENIED', 'The request to join is not signed with the key that it shows.')
  // Before anything is spent: a cluster that can't sign takes nobody in.
  const authority = authorityOf(term)
  return {
    token,
    keySha256: keySha256(key),
    certify: (request) => certify(authority, publicKeyPem, { ...request, ...validity(term) }),
  }
}

/** Whoever the key belongs to already. PERMISSION_DENIED: to somebody who was removed. */
function memberWith({ memory }: Term, keySha256: string, kind: string): Membership | undefined {
  for (const membership of memory.memberships.values()) {
    if (membership.publicKeySha256 !== keySha256 || !membership.holder.startsWith(kind)) continue
    if (!isHolderRemoved(memory, membership.holder)) return membership
    throw new RpcError(
      'PERMISSION_DENIED',
      `${membership.name} was removed from the cluster, and its key with it. Join with a new key, in an empty folder.`,
    )
  }
  return undefined
}

/** Resolves when etcd has it. */
async function admit(
  term: Term,
  { token, keySha256 }: ProvenClaim,
  known: Membership | undefined,
  who: Pick<Membership, 'holder' | 'name' | 'machineId'>,
): Promise<Membership> {
  const { memory, writes, parts } = term
  if (!known && memory.memberships.size >= maxMemberships)
    throw new RpcError('RESOURCE_EXHAUSTED', `The cluster keeps at most ${maxMemberships} members.`)
  const puts = known ? [] : [spendToken(term, token)]
  const membership: Membership = {
    ...who,
    publicKeySha256: keySha256,
    tokenSha256: known?.tokenSha256 ?? token.sha256,
    machineType: known?.machineType ?? token.machineType,
    joinedAtMs: known?.joinedAtMs ?? parts.clock.now(),
    removedAtMs: 0,
  }
  await writes.commit([...puts, putMembership(term, membership)])
  if (!known) parts.log.info('Somebody has joined', { holder: who.holder, name: who.name })
  return membership
}

function checkNodeName({ memory }: Term, name: string, holder: string): void {
  const names = new Map<string, string>()
  for (const [its, membership] of memory.memberships) {
    if (its.startsWith('node:')) names.set(its, membership.name)
  }
  // What a node calls itself counts, once it has.
  for (const node of memory.nodes.values()) names.set(holderOfNode(node.id), node.name)
  const taken = [...names].some(
    ([its, other]) => other === name && its !== holder && !isHolderRemoved(memory, its),
  )
  if (!taken) return
  throw new RpcError(
    'ALREADY_EXISTS',
    `The cluster has a node ${name} already. Give this one another name with --name, or remove the other ("spell node remove ${name}").`,
  )
}

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'

function newNodeHolder({ memory }: Term): string {
  for (;;) {
    const id = `node-${Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join('')}`
    if (!memory.nodes.has(id) && !memory.memberships.has(holderOfNode(id))) return holderOfNode(id)
  }
}
