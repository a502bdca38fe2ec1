import { createHash } from 'node:crypto'
import type { Metadata } from '@grpc/grpc-js'
import { RpcError } from '../../common/errors.js'
import type { User } from '../core/records.js'
import type { Leader } from '../leader.js'
import type { LiveCall } from './call.js'
import { isOpenToAnyone, mayTouch, permit } from './permissions.js'

const nobody: User = { name: '', email: '', role: 'viewer', maxConcurrentRuns: 0 }

/** A user's call that is answered here: who asks, and the leader that knows. */
export class UserCall {
  /** Without a name for a method that is open to anyone. */
  readonly user: User
  readonly leader: Leader
  /** `Service/Method` */
  readonly #name: string
  readonly #live: LiveCall

  /** Throws UNAUTHENTICATED or PERMISSION_DENIED. */
  constructor(name: string, live: LiveCall, leader: Leader) {
    this.user = isOpenToAnyone(name) ? nobody : authenticate(live.metadata, leader)
    permit(name, this.user)
    this.leader = leader
    this.#name = name
    this.#live = live
  }

  /** Aborted when the caller has gone or this coordinator no longer leads. */
  get signal(): AbortSignal {
    return this.#live.signal
  }

  /** Hash of the token it came with. */
  get tokenSha256(): string {
    return hashOf(tokenIn(this.#live.metadata) ?? '')
  }

  mayTouch(owner: string): boolean {
    return mayTouch(this.#name, this.user, owner)
  }
}

function authenticate(metadata: Metadata, leader: Leader): User {
  const token = tokenIn(metadata)
  if (token === undefined)
    throw new RpcError('UNAUTHENTICATED', 'The call carries no token. Please log in ("spell login").')
  const user = leader.user(hashOf(token))
  if (!user)
    throw new RpcError(
      'UNAUTHENTICATED',
      'This cluster does not know the token, or it was ended. Please log in ("spell login").',
    )
  return user
}

/** RFC 6750, 2.1: the scheme's name has no case. */
function tokenIn(metadata: Metadata): string | undefined {
  const header = metadata.get('authorization')[0]
  return typeof header === 'string' ? /^bearer +(\S+)$/i.exec(header)?.[1] : undefined
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')
