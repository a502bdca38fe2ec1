import type { SecureContextOptions } from 'node:tls'
import { ServerCredentials } from '@grpc/grpc-js'
import type { TlsFiles } from '../tls-files.js'

/** Whether callers must show a certificate of the authority. */
export type Callers = 'anyone' | 'certified'

/**
 * A server's credentials that change while it listens: new connections see the new certificate, those that are there go on
 * with what they have begun with.
 */
export class RenewableCredentials extends ServerCredentials {
  readonly #callers: Callers

  constructor(callers: Callers, files: TlsFiles) {
    super({ requestCert: callers === 'certified' }, contextOf(callers, files))
    this.#callers = callers
  }

  renew(files: TlsFiles): void {
    this.updateSecureContextOptions(contextOf(this.#callers, files))
  }

  _equals(other: ServerCredentials): boolean {
    return this === other
  }
}

function contextOf(callers: Callers, { ca, certificate, key }: TlsFiles): SecureContextOptions {
  // The authority goes along, so that whoever logs in can compare its hash before trusting it.
  const chain = Buffer.concat([certificate, Buffer.from('\n'), ca])
  return { cert: [chain], key: [key], ...(callers === 'certified' ? { ca } : {}) }
}
