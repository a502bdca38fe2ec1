import { RpcError } from '../../common/errors.js'
import type { AuditEntry } from '../audit/audit-entry.js'
import type { Handler, Handlers, LiveCall } from './call.js'
import { forwardedFor } from './forward.js'
import { changesSomething } from './permissions.js'
import type { UserCall } from './user-call.js'

// Who did what. Of a call and its answer only ids and names are kept, by the list below: what is not on it can't get into
// the log, whatever a later version's messages hold.

export interface Auditing {
  write(entry: AuditEntry): void
  /** The same of a call that was refused and that anyone can make, as often as they like. */
  writeRefusal(entry: AuditEntry): void
  /** Wall clock, milliseconds since 1970. */
  now(): number
}

const fieldsOfRequests = [
  ...['runId', 'runIds', 'name', 'newName', 'project', 'projectName', 'label', 'remove', 'archived', 'force'],
  ...['user', 'userName', 'role', 'maxConcurrentRuns', 'node', 'nodeId', 'nodeName', 'machineType', 'kind'],
  ...['id', 'uses', 'ttlSeconds', 'stop', 'lost'],
] as const
const fieldsOfAnswers = [
  ...['runId', 'done', 'notPermitted', 'nodeId', 'newestRunId', 'id'],
  ...['interruptedRunIds', 'repeatedRunIds', 'tokensEnded'],
] as const

/** These change nothing, whoever may call them. */
const silent: ReadonlySet<string> = new Set(['Files/HasObject', 'Keeping/Audit'])

const maxItems = 50
const maxCharacters = 200

/** The same handlers; each call that may change something is told of when it has been answered. */
export function audited(handlers: Handlers<UserCall>, auditing: Auditing): Handlers<UserCall> {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [
      name,
      changesSomething(name) && !silent.has(name) ? wrap(name, handler, auditing) : handler,
    ]),
  )
}

/** A call that was refused before anything of it was read. */
export function refusalEntry(
  name: string,
  live: LiveCall,
  who: { readonly user: string; readonly error: RpcError; readonly nowMs: number },
): AuditEntry {
  return {
    ...{ atMs: who.nowMs, user: who.user, method: name, status: who.error.code },
    ...sourceOf(live),
    about: {},
    reason: cut(who.error.message),
    more: 0,
  }
}

type Outcome =
  | { readonly kind: 'answered'; readonly answer: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** The caller stopped reading. */
  | { readonly kind: 'left' }

function wrap(name: string, handler: Handler<UserCall>, auditing: Auditing): Handler<UserCall> {
  const tell = (call: UserCall, request: unknown, outcome: Outcome) => {
    const entry = {
      ...{ atMs: auditing.now(), user: call.user.name, method: name, status: statusOf(outcome) },
      ...sourceOf(call.live),
      about: { ...picked(request, fieldsOfRequests), ...picked(answerIn(outcome), fieldsOfAnswers) },
      reason: refusalIn(outcome),
      more: 0,
    }
    if (outcome.kind === 'failed' && entry.user === '') auditing.writeRefusal(entry)
    else auditing.write(entry)
  }
  const once = async (request: unknown, call: UserCall, answering: Promise<object>): Promise<object> => {
    try {
      const answer = await answering
      tell(call, request, { kind: 'answered', answer })
      return answer
    } catch (error) {
      tell(call, request, { kind: 'failed', error })
      throw error
    }
  }
  async function* stream(request: unknown, call: UserCall, messages: AsyncIterable<object>) {
    // Whoever stops reading has gone.
    let outcome: Outcome = { kind: 'left' }
    try {
      yield* messages
      outcome = { kind: 'answered', answer: undefined }
    } catch (error) {
      outcome = { kind: 'failed', error }
      throw error
    } finally {
      tell(call, request, outcome)
    }
  }
  switch (handler.kind) {
    case 'unary':
      return {
        kind: 'unary',
        handle: (request, call) => once(request, call, handler.handle(request, call)),
      }
    case 'client_stream':
      return {
        kind: 'client_stream',
        handle: (messages, call) => once(undefined, call, handler.handle(messages, call)),
      }
    case 'server_stream':
      return {
        kind: 'server_stream',
        handle: (request, call) => stream(request, call, handler.handle(request, call)),
      }
    case 'conversation':
      return {
        kind: 'conversation',
        handle: (messages, call) => stream(undefined, call, handler.handle(messages, call)),
      }
  }
}

function sourceOf(live: LiveCall): { readonly address: string; readonly via: string } {
  const original = forwardedFor(live.metadata)
  return original === undefined ? { address: live.peer, via: '' } : { address: cut(original), via: live.peer }
}

function statusOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'answered':
      return 'OK'
    case 'left':
      return 'CANCELLED'
    case 'failed':
      return outcome.error instanceof RpcError ? outcome.error.code : 'INTERNAL'
  }
}

const answerIn = (outcome: Outcome): unknown => (outcome.kind === 'answered' ? outcome.answer : undefined)

/** Other sentences may speak of what the call had in it. */
function refusalIn(outcome: Outcome): string {
  const error = outcome.kind === 'failed' ? outcome.error : undefined
  return error instanceof RpcError && error.code === 'PERMISSION_DENIED' ? cut(error.message) : ''
}

function picked(message: unknown, fields: readonly string[]): Readonly<Record<string, string>> {
  if (typeof message !== 'object' || message === null) return {}
  const values = message as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    fields.flatMap((field) => {
      const text = textOf(values[field])
      return text === '' ? [] : [[field, text]]
    }),
  )
}

/** Empty for what says nothing: a field that was not set, or holds a message. */
function textOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return cut(value)
    case 'number':
      return value === 0 ? '' : String(value)
    case 'boolean':
      return value ? 'true' : ''
    default:
      return Array.isArray(value) ? listed(value) : ''
  }
}

function listed(values: readonly unknown[]): string {
  const shown = values.slice(0, maxItems).map(textOf).join(' ')
  return values.length > maxItems ? `${shown} and ${values.length - maxItems} more` : shown
}

const cut = (text: string): string =>
  text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text
