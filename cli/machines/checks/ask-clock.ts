import { once } from 'node:events'
import { connect } from 'node:http2'
import type { Clock } from '../../../common/clock.js'

const patienceMs = 5_000

/**
 * How far this machine's clock is ahead of a coordinator's, in milliseconds, to half a second: any answer of HTTP/2 is
 * dated to the second. Nothing is believed yet and nothing is sent, so that the certificate does not matter. Undefined:
 * there was no answer, or none with a date.
 */
export async function clockAheadOf(address: string, clock: Clock): Promise<number | undefined> {
  const session = connect(`https://${address}`, { rejectUnauthorized: false })
  const signal = AbortSignal.timeout(patienceMs)
  try {
    await once(session, 'connect', { signal })
    const sentAt = clock.now()
    const request = session.request({ ':method': 'POST', ':path': '/grpc.health.v1.Health/Check' })
    request.end()
    const [{ date }] = (await once(request, 'response', { signal })) as [{ readonly date?: string }]
    const dated = Date.parse(date ?? '')
    return Number.isNaN(dated) ? undefined : (sentAt + clock.now()) / 2 - (dated + 500)
  } catch {
    return undefined
  } finally {
    session.destroy()
  }
}
