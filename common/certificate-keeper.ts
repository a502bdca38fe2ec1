import { type CertificateFiles, isExpired, readPair, replaceCertificate } from './certificate-files.js'
import { ageInDays, commonNameOf, type KeyedCertificate } from './certificates.js'
import type { Clock, Timer } from './clock.js'
import { messageOf } from './errors.js'
import { isKeyOf } from './key-proof.js'
import type { Log } from './log.js'
import type { Random } from './random.js'

export interface KeeperSettings {
  readonly files: CertificateFiles
  /** A certificate that was issued so long ago is renewed. */
  readonly renewAfterMs: number
  /** About how often the files are looked at. */
  readonly lookEveryMs: number
}

export interface KeeperParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Gives a new certificate (PEM) for the same key. */
  renew(pair: KeyedCertificate, signal: AbortSignal): Promise<string>
  /** There is another pair than before, whoever has made it. */
  onChange?(pair: KeyedCertificate): void
}

const dayMs = 86_400_000

/**
 * Keeps a certificate fresh: has it renewed when it is old, writes it to its file, and notices when somebody else has
 * written one. What goes wrong is logged and tried again at the next look; a certificate lives three times as long as it is
 * left alone.
 */
export class CertificateKeeper {
  readonly #settings: KeeperSettings
  readonly #parts: KeeperParts
  readonly #stopping = new AbortController()
  #known: string | undefined
  #timer: Timer | undefined
  #look: Promise<void> = Promise.resolve()

  constructor(settings: KeeperSettings, parts: KeeperParts) {
    this.#settings = settings
    this.#parts = parts
  }

  /** With an expired certificate nothing can be done: that is renewed, if it can be, before this resolves. */
  async start(): Promise<void> {
    const pair = this.#read()
    this.#known = pair?.certificatePem
    if (pair && isExpired(pair.certificatePem, this.#parts.clock)) await this.#lookOnce()
    this.#lookLater()
  }

  /** Safe to call twice. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('The program is being ended.'))
    this.#timer?.cancel()
    await this.#look
  }

  #lookLater(): void {
    if (this.#stopping.signal.aborted) return
    const { clock, random } = this.#parts
    const waitMs = this.#settings.lookEveryMs * (0.75 + random.next() / 2)
    this.#timer = clock.timer(waitMs, () => {
      this.#look = this.#lookOnce().finally(() => this.#lookLater())
    })
  }

  /** Never rejects. */
  async #lookOnce(): Promise<void> {
    const pair = this.#read()
    if (!pair) return
    this.#tell(pair)
    if (!this.#isDue(pair)) return
    const { log } = this.#parts
    const facts = { holder: commonNameOf(pair.certificatePem), file: this.#settings.files.certFile }
    try {
      await this.#renew(pair)
      log.info('The certificate was renewed', facts)
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      log.warn('The certificate could not be renewed for now', { ...facts, reason: messageOf(error) })
    }
  }

  async #renew(pair: KeyedCertificate): Promise<void> {
    const renewed = await this.#parts.renew(pair, this.#stopping.signal)
    const now = readPair(this.#settings.files)
    // Somebody else was faster, perhaps with another key.
    if (now.certificatePem !== pair.certificatePem || !isKeyOf(now.keyPem, renewed)) return
    await replaceCertificate(this.#settings.files.certFile, renewed)
    this.#tell({ certificatePem: renewed, keyPem: pair.keyPem })
  }

  #isDue({ certificatePem }: KeyedCertificate): boolean {
    const { clock } = this.#parts
    const ageMs = ageInDays(certificatePem, clock) * dayMs
    return ageMs >= this.#settings.renewAfterMs || isExpired(certificatePem, clock)
  }

  #tell(pair: KeyedCertificate): void {
    if (pair.certificatePem === this.#known) return
    this.#known = pair.certificatePem
    this.#parts.onChange?.(pair)
  }

  /** Undefined while the two don't belong together: somebody is writing them, or nobody can read them. */
  #read(): KeyedCertificate | undefined {
    const { files } = this.#settings
    try {
      const pair = readPair(files)
      if (isKeyOf(pair.keyPem, pair.certificatePem)) return pair
      this.#parts.log.warn('The certificate and its key do not belong together', { ...files })
    } catch (error) {
      this.#parts.log.warn('The certificate could not be read', { ...files, reason: messageOf(error) })
    }
    return undefined
  }
}
