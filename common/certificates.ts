// x509 asks for it before its own first line.
import 'reflect-metadata'
import { createHash, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { type Clock, systemClock } from './clock.js'
import { invariant } from './errors.js'

/**
 * The cluster's certificates: one authority, and what it signs for coordinators, nodes and etcd. Keys are P-256, the one
 * curve that every TLS library speaks fast. Whatever is issued is valid from an hour in the past, for machines whose
 * clocks differ.
 */
export interface KeyedCertificate {
  readonly certificatePem: string
  /** PKCS #8. Secret: files that hold it have mode 0600. */
  readonly keyPem: string
}

export interface CertificateRequest {
  /** Such as `node:node-1`; who the holder is. */
  readonly commonName: string
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  /** 30 when left out; counted from now. */
  readonly days?: number
  readonly clock?: Clock
}

/** A key whose certificate somebody else signs. */
export interface KeyPair {
  /** SubjectPublicKeyInfo. */
  readonly publicKeyPem: string
  /** PKCS #8. Secret: files that hold it have mode 0600. */
  readonly keyPem: string
}

/**
 * A name in the certificates of etcd and of whoever may be its client, and in no other: etcd takes every certificate of the
 * authority as long as it isn't told to want this one too, and nodes have certificates of the same authority.
 */
export const etcdClientName = 'etcd-client.spell'

const dayMs = 86_400_000
const hourMs = 3_600_000
const authorityDays = 3650
const curve = { name: 'ECDSA', namedCurve: 'P-256' } as const
const signing = { name: 'ECDSA', hash: 'SHA-256' } as const

/** A new certificate authority with a key of its own, valid for ten years. */
export async function makeAuthority(name: string, clock: Clock = systemClock): Promise<KeyedCertificate> {
  const keys = await newKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(clock, authorityDays),
    serialNumber: serialNumber(),
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: signing,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificatePem: pemOf(certificate), keyPem: await exportKey(keys.privateKey) }
}

/** A certificate with a new key, for servers and clients alike, signed by the authority. */
export async function issueCertificate(
  authority: KeyedCertificate,
  request: CertificateRequest,
): Promise<KeyedCertificate> {
  const { publicKeyPem, keyPem } = await makeKeyPair()
  return { certificatePem: await certify(authority, publicKeyPem, request), keyPem }
}

export async function makeKeyPair(): Promise<KeyPair> {
  const keys = await newKeys()
  const spki = await webcrypto.subtle.exportKey('spki', keys.publicKey)
  return {
    publicKeyPem: `${x509.PemConverter.encode(spki, 'PUBLIC KEY')}\n`,
    keyPem: await exportKey(keys.privateKey),
  }
}

/** A certificate for somebody else's public key (SubjectPublicKeyInfo, P-256), as PEM. */
export async function certify(
  authority: KeyedCertificate,
  publicKeyPem: string,
  request: CertificateRequest,
): Promise<string> {
  const issuer = new x509.X509Certificate(authority.certificatePem)
  const publicKey = await importPublicKey(publicKeyPem)
  const names: x509.JsonGeneralName[] = [
    ...request.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...request.ipAddresses.map((value) => ({ type: 'ip' as const, value })),
  ]
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity(request.clock ?? systemClock, request.days ?? 30),
    serialNumber: serialNumber(),
    subject: [{ CN: [request.commonName] }],
    issuer: issuer.subjectName,
    publicKey,
    signingKey: await importKey(authority.keyPem),
    signingAlgorithm: signing,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  })
  return pemOf(certificate)
}

/** The DNS names and IP addresses that the certificate is for. */
export function namesIn(certificatePem: string): Pick<CertificateRequest, 'dnsNames' | 'ipAddresses'> {
  const found = new x509.X509Certificate(certificatePem).getExtension(x509.SubjectAlternativeNameExtension)
  const names = found?.names.toJSON() ?? []
  const ofType = (type: string) => names.filter((name) => name.type === type).map(({ value }) => value)
  return { dnsNames: ofType('dns'), ipAddresses: ofType('ip') }
}

/** Whether this authority has signed the certificate, however old it is. */
export function isIssuedBy(certificatePem: string, authorityPem: string): boolean {
  const authority = new X509Certificate(authorityPem)
  const certificate = new X509Certificate(certificatePem)
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
}

/** SHA-256 of the certificate, in lower-case hex without colons. */
export function fingerprint(certificatePem: string): string {
  return createHash('sha256').update(new X509Certificate(certificatePem).raw).digest('hex')
}

/** Who holds the certificate: its common name. */
export function commonNameOf(certificatePem: string): string {
  const found = /^CN=(.*)$/m.exec(new X509Certificate(certificatePem).subject)?.[1]
  invariant(found !== undefined, 'every certificate of a cluster has a common name')
  return found
}

/** Days since the certificate was issued; they begin an hour in the past. */
export function ageInDays(certificatePem: string, clock: Clock): number {
  const issuedMs = Date.parse(new X509Certificate(certificatePem).validFrom) + hourMs
  return (clock.now() - issuedMs) / dayMs
}

function validity(clock: Clock, days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(clock.now() - hourMs), notAfter: new Date(clock.now() + days * dayMs) }
}

/** 16 random bytes with the top bit clear: positive, and unique without a register (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(curve, true, ['sign', 'verify'])
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`
}

async function importPublicKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(pem)
  invariant(der !== undefined, 'a public key in PEM has been looked at before it is certified')
  return await webcrypto.subtle.importKey('spki', der, curve, true, ['verify'])
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(pem)
  invariant(der !== undefined, 'an authority comes with its key')
  return await webcrypto.subtle.importKey('pkcs8', der, curve, false, ['sign'])
}

function pemOf(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}
