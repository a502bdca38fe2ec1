import { createHash } from 'node:crypto'
import { request } from 'node:https'
import { messageOf } from '../../common/errors.js'
import type { ClusterInfo__Output } from '../../proto/gen/spell/v1/ClusterInfo.js'
import type { Api } from '../api.js'
import { Failure } from '../failure.js'

/** A script that coordinators serve: `node.sh` installs all programs, `cli.sh` the command line. */
export interface Installer {
  readonly name: InstallerName
  /** `host:port` of the coordinators that serve this very script. */
  readonly addresses: readonly string[]
  /** Of the script, in lower-case hex. */
  readonly sha256: string
}

export type InstallerName = 'node.sh' | 'cli.sh'

const patienceMs = 10_000
const maxBytes = 64 * 1024

/** Reads the script from each coordinator, over TLS with the cluster's authority. Throws Failure saying why there is none. */
export async function findInstaller(api: Api, name: InstallerName): Promise<Installer> {
  const { coordinators } = await api.call<ClusterInfo__Output>('Cluster', 'Get', {})
  const addresses = coordinators.map((each) => each.downloadAddress).filter((address) => address !== '')
  if (addresses.length === 0) {
    throw new Failure(
      'error',
      'No coordinator of this cluster serves the archives of spell: give one the settings downloadListen and downloadDir.',
    )
  }
  const tried = await Promise.all(addresses.map((address) => tryHash(address, name, api.login.ca)))
  const [first] = tried.flatMap((each) => each.sha256 ?? [])
  if (first === undefined) {
    throw new Failure('error', `No coordinator gives the installer ${name}. ${reasonsOf(tried)}.`)
  }
  // While a cluster is being upgraded its coordinators may have different ones.
  const same = tried.filter((each) => each.sha256 === first)
  return { name, sha256: first, addresses: same.map(({ address }) => address) }
}

interface Tried {
  readonly address: string
  readonly sha256?: string
  readonly reason?: string
}

/** What several say is said once. */
function reasonsOf(tried: readonly Tried[]): string {
  const bare = (reason = '') => reason.replace(/\.$/, '')
  const reasons = [...new Set(tried.map(({ reason }) => bare(reason)))]
  const saying = (reason: string) => tried.filter((each) => bare(each.reason) === reason)
  return reasons
    .map(
      (reason) =>
        `${saying(reason)
          .map(({ address }) => address)
          .join(', ')}: ${reason}`,
    )
    .join('; ')
}

async function tryHash(address: string, name: string, ca: string): Promise<Tried> {
  try {
    const script = await read(address, name, ca)
    return { address, sha256: createHash('sha256').update(script).digest('hex') }
  } catch (error) {
    return { address, reason: messageOf(error) }
  }
}

function read(address: string, name: string, ca: string): Promise<Buffer> {
  const signal = AbortSignal.timeout(patienceMs)
  return new Promise((resolve, reject) => {
    const trust = ca === '' ? {} : { ca }
    const asked = request(`https://${address}/${name}`, { ...trust, signal, agent: false }, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > maxBytes) response.destroy(new Error('it is too large'))
      })
      response.once('error', reject)
      response.once('end', () => {
        const body = Buffer.concat(chunks)
        if (response.statusCode === 200) resolve(body)
        else reject(new Error(body.toString().trim() || `HTTP ${response.statusCode}`))
      })
    })
    asked.once('error', (error) => reject(signal.aborted ? new Error('no answer in time') : error))
    asked.end()
  })
}
