import { createHash } from 'node:crypto'
import type { Metadata } from '@grpc/grpc-js'
import { RpcError } from '../../common/errors.js'
import { readToken } from '../../common/portable-token.js'
import type { User } from '../core/records.js'
import type { Leader } from '../leader.js'
import type { LiveCall } from './call.js'
import { isOpenToAnyone, mayTouch, permit } from './permissions.js'

const nobody: User = { name: '', email: '', role: 'viewer', maxConcurrentRuns: 0 }

/** A user's call that is answered here: who asks, and the leader that knows. */
export class UserCall {
  readonly leader: Leader
  readonly live: LiveCall
  /** `Service/Method` */
  readonly #name: string
  #user: User
  #opened = false

  /** Throws UNAUTHENTICATED or PERMISSION_DENIED. */
  constructor(name: string, live: LiveCall, leader: Leader) {
    this.#user = isOpenToAnyone(name) ? nobody : authenticate(live.metadata, leader)
    permit(name, this.#user)
    this.leader = leader
    this.#name = name
    this.live = live
  }

  /** Without a name for a method that is open to anyone, until the call has proven who makes it. */
  get user(): User {
    return this.#user
  }

  /** The request of a call without a token has shown who makes it. */
  provedToBe(user: User): void {
    this.#user = user
  }

  /** Aborted when the caller has gone, its token has ended, or this coordinator no longer leads. */
  get signal(): AbortSignal {
    const { signal } = this.live
    if (!this.#opened && !isOpenToAnyone(this.#name)) this.#open()
    return signal
  }

  /** Hash of the token it came with. */
  get tokenSha256(): string {
    return hashOf(secretIn(this.live.metadata) ?? '')
  }

  mayTouch(owner: string): boolean {
    return mayTouch(this.#name, this.user, owner)
  }

  #open(): void {
    this.#opened = true
    const { tokenSha256 } = this
    const abort = (reason: Error) => this.live.abort(reason)
    this.live.onEnded(this.leader.people.opened({ tokenSha256, abort }))
  }
}

/** Name of the user whose token the call carries; empty: nobody's. */
export function whoAsks({ metadata }: LiveCall, leader: Leader): string {
  const token = secretIn(metadata)
  return (token !== undefined && leader.user(hashOf(token))?.name) || ''
}

function authenticate(metadata: Metadata, leader: Leader): User {
  const secret = secretIn(metadata)
  if (secret === undefined)
    throw new RpcError('UNAUTHENTICATED', 'The call carries no token. Please log in ("spell login").')
  const user = leader.user(hashOf(secret))
  if (!user)
    throw new RpcError(
      'UNAUTHENTICATED',
      'This cluster does not know the token, or it was ended. Please log in ("spell login").',
    )
  return user
}

/** RFC 6750, 2.1: the scheme's name has no case. */
function secretIn(metadata: Metadata): string | undefined {
  const header = metadata.get('authorization')[0]
  const token = typeof header === 'string' ? /^bearer +(\S+)$/i.exec(header)?.[1] : undefined
  return token === undefined ? undefined : readToken(token).secret
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')
