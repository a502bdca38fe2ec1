import type { KeyedCertificate } from '../common/certificates.js'
import type { Clock } from '../common/clock.js'
import { RpcError } from '../common/errors.js'
import { proveKey } from '../common/key-proof.js'
import { Channel } from './channel.js'
import type { RenewResponse__Output } from './gen/spell/v1/RenewResponse.js'
import { type Method, method } from './wire.js'

const renewMethod: Method<unknown, RenewResponse__Output> = method('Join', 'Renew')
const deadlineMs = 20_000

/**
 * Has a certificate renewed by whichever coordinator answers at these users' addresses, and gives the new one. The caller
 * is known by its key alone: an expired certificate will do.
 */
export async function askToRenew(
  addresses: readonly string[],
  { certificatePem, keyPem }: KeyedCertificate,
  caller: { readonly ca: string; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<string> {
  if (addresses.length === 0)
    throw new RpcError('UNAVAILABLE', "No coordinator's address for users is known here.")
  const { ca, clock, signal } = caller
  const channel = new Channel({ addresses, tls: { ca }, clock })
  try {
    const signature = proveKey(keyPem, { kind: 'renew', certificatePem })
    const request = { certificatePem, signature }
    return (await channel.call(renewMethod, request, { deadlineMs, signal })).certificatePem
  } finally {
    channel.close()
  }
}
