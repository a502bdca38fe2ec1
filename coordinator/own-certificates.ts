import { readFileSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CertificateFiles, isExpired } from '../common/certificate-files.js'
import { CertificateKeeper } from '../common/certificate-keeper.js'
import { certify, commonNameOf, type KeyedCertificate, namesIn } from '../common/certificates.js'
import type { Clock, Timer } from '../common/clock.js'
import { messageOf } from '../common/errors.js'
import { proveKey, publicKeyOf } from '../common/key-proof.js'
import type { Log } from '../common/log.js'
import type { Random } from '../common/random.js'
import { askToRenew } from '../proto/ask-to-renew.js'
import type { Trust } from './leader/authority.js'
import type { Leading } from './rpc/leading.js'
import type { CoordinatorSettings } from './settings.js'
import { etcdTlsFiles, isSamePair, readTls, type TlsFiles } from './tls-files.js'

export interface OwnCertificatesParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly trust: Trust
  leading(): Leading
  /** Users' addresses of the other coordinators. */
  others(): readonly string[]
  /** Another certificate than before is to be served, or shown to etcd. */
  serve(files: TlsFiles): void
  showToEtcd(files: TlsFiles): void
}

/**
 * The certificates of this coordinator and of whatever its settings name beside them, such as that of etcd's member on its
 * machine: renewed by the leader, which may be itself. One that has expired opens no etcd, and without etcd nobody knows who
 * leads; so the others' addresses are kept on disk, and where nobody else is left, the authority's own key, if its file is
 * still there.
 */
export class OwnCertificates {
  readonly #settings: CoordinatorSettings
  readonly #parts: OwnCertificatesParts
  readonly #keepers: readonly CertificateKeeper[]
  readonly #file: string
  #kept: readonly string[] = []
  #timer: Timer | undefined
  #keeping: Promise<void> = Promise.resolve()

  constructor(settings: CoordinatorSettings, parts: OwnCertificatesParts) {
    this.#settings = settings
    this.#parts = parts
    this.#file = join(settings.dataDir, 'coordinators.json')
    const { tls, renewal } = settings
    const etcd = etcdTlsFiles(settings)
    const all: readonly CertificateFiles[] = [tls, ...(etcd ? [etcd] : []), ...renewal.also]
    const different = all.filter((files, at) => all.findIndex((other) => isSamePair(files, other)) === at)
    this.#keepers = different.map((files) => this.#keeper(files, etcd))
  }

  /** Expired ones are renewed before this resolves, if they can be. */
  async start(): Promise<void> {
    await this.#load()
    for (const keeper of this.#keepers) await keeper.start()
    this.#keepLater()
  }

  /** Safe to call twice. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    await this.#keeping
    for (const keeper of this.#keepers) await keeper.stop()
  }

  #keeper(files: CertificateFiles, etcd: CoordinatorSettings['tls'] | undefined): CertificateKeeper {
    const { tls, renewal } = this.#settings
    return new CertificateKeeper(
      { files, renewAfterMs: renewal.afterMs, lookEveryMs: renewal.lookEveryMs },
      {
        ...this.#parts,
        renew: (pair, signal) => this.#renew(pair, signal),
        onChange: () => {
          if (isSamePair(files, tls)) this.#parts.serve(readTls(tls))
          if (etcd && isSamePair(files, etcd)) this.#parts.showToEtcd(readTls(etcd))
        },
      },
    )
  }

  async #renew(pair: KeyedCertificate, signal: AbortSignal): Promise<string> {
    const { clock, leading, others } = this.#parts
    const now = leading()
    if (now.kind === 'here') return await renewHere(now.leader, pair)
    const leader = now.kind === 'elsewhere' ? [now.userAddress] : []
    const addresses = [...new Set([...leader, ...others(), ...this.#kept])]
    try {
      return await askToRenew(addresses, pair, { ca: this.#caPem(), clock, signal })
    } catch (error) {
      const renewed = isExpired(pair.certificatePem, clock) ? await this.#signAlone(pair) : undefined
      if (renewed === undefined) throw error
      return renewed
    }
  }

  /** Undefined: the authority's key is not on this disk, or can't be read. */
  async #signAlone(pair: KeyedCertificate): Promise<string | undefined> {
    const { trust, clock, log } = this.#parts
    const keyPem = trust.readAuthorityKey()
    if (keyPem === undefined) return undefined
    const { certificatePem } = pair
    const commonName = commonNameOf(certificatePem)
    log.warn("No coordinator could be asked; the authority's own key renews the certificate", { commonName })
    return await certify({ certificatePem: this.#caPem(), keyPem }, publicKeyOf(certificatePem), {
      commonName,
      ...namesIn(certificatePem),
      days: this.#settings.limits.certificateMs / 86_400_000,
      clock,
    })
  }

  #caPem(): string {
    return readFileSync(this.#settings.tls.caFile, 'utf8')
  }

  async #load(): Promise<void> {
    const kept: unknown = await readFile(this.#file, 'utf8')
      .then(JSON.parse)
      .catch(() => undefined)
    if (Array.isArray(kept)) this.#kept = kept.map(String)
  }

  #keepLater(): void {
    const { clock, others, log } = this.#parts
    this.#timer = clock.timer(this.#settings.renewal.lookEveryMs, () => {
      this.#keeping = this.#keep(others())
        .catch((error: unknown) => {
          log.warn('The addresses of coordinators can not be kept', { reason: messageOf(error) })
        })
        .finally(() => {
          if (this.#timer) this.#keepLater()
        })
    })
  }

  async #keep(others: readonly string[]): Promise<void> {
    if (others.length === 0 || String(others) === String(this.#kept)) return
    this.#kept = others
    await mkdir(this.#settings.dataDir, { recursive: true, mode: 0o700 })
    await writeFile(`${this.#file}.new`, JSON.stringify(others))
    await rename(`${this.#file}.new`, this.#file)
  }
}

async function renewHere(
  leader: Extract<Leading, { kind: 'here' }>['leader'],
  { certificatePem, keyPem }: KeyedCertificate,
): Promise<string> {
  const signature = proveKey(keyPem, { kind: 'renew', certificatePem })
  return await leader.joins.renew({ certificatePem, signature })
}
