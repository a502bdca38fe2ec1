import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import {
  ageInDays,
  etcdClientName,
  issueCertificate,
  type KeyedCertificate,
  makeAuthority,
  namesIn,
} from '../../common/certificates.js'
import type { Clock } from '../../common/clock.js'
import { clusterKeyText, newClusterKey } from '../../common/sealing.js'
import type { Layout } from './layout.js'
import { loopback } from './ports.js'
import { writeWhole } from './write-whole.js'

/** Certificates last 30 days and are renewed when they are this old. */
const renewAfterDays = 10
const authorityName = 'ca'

/** Who gets a certificate: the name of its files, its common name, and whether etcd takes it. */
export interface Holder {
  readonly name: string
  readonly commonName: string
  readonly ofEtcd: boolean
}

/**
 * Makes what is missing and renews what is old, the authority excepted: authority, certificates, administrator's token,
 * cluster key.
 */
export async function prepareTrust(layout: Layout, holders: readonly Holder[], clock: Clock): Promise<void> {
  const authority = await authorityOf(layout, clock)
  for (const holder of holders) {
    if (!needsNew(layout, holder, clock)) continue
    const issued = await issueCertificate(authority, {
      commonName: holder.commonName,
      dnsNames: namesOf(holder),
      ipAddresses: [loopback],
      clock,
    })
    writePair(layout, holder.name, issued)
  }
  if (!existsSync(layout.adminTokenFile)) {
    writeWhole(layout.adminTokenFile, `${randomBytes(32).toString('base64url')}\n`)
  }
  if (!existsSync(layout.clusterKeyFile)) writeWhole(layout.clusterKeyFile, clusterKeyText(newClusterKey()))
}

export function authorityFile(layout: Layout): string {
  return layout.certificateFile(authorityName)
}

export function authorityKeyFile(layout: Layout): string {
  return layout.keyFile(authorityName)
}

export function readAdminToken(layout: Layout): string {
  return readFileSync(layout.adminTokenFile, 'utf8').trim()
}

async function authorityOf(layout: Layout, clock: Clock): Promise<KeyedCertificate> {
  const known = readPair(layout, authorityName)
  if (known) return known
  const made = await makeAuthority('spell cluster', clock)
  writePair(layout, authorityName, made)
  return made
}

function needsNew(layout: Layout, holder: Holder, clock: Clock): boolean {
  const known = readPair(layout, holder.name)
  if (known === undefined || ageInDays(known.certificatePem, clock) > renewAfterDays) return true
  // Those that an earlier version has made have fewer names.
  const { dnsNames } = namesIn(known.certificatePem)
  return namesOf(holder).some((name) => !dnsNames.includes(name))
}

function namesOf({ ofEtcd }: Holder): readonly string[] {
  return ofEtcd ? ['localhost', etcdClientName] : ['localhost']
}

/** The key first: a certificate that is there has its key beside it. */
function writePair(layout: Layout, name: string, pair: KeyedCertificate): void {
  writeWhole(layout.keyFile(name), pair.keyPem)
  writeWhole(layout.certificateFile(name), pair.certificatePem)
}

function readPair(layout: Layout, name: string): KeyedCertificate | undefined {
  if (!existsSync(layout.certificateFile(name))) return undefined
  return {
    certificatePem: readFileSync(layout.certificateFile(name), 'utf8'),
    keyPem: readFileSync(layout.keyFile(name), 'utf8'),
  }
}
