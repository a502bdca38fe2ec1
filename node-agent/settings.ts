import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { grpcProxyVariables } from '../common/proxy.js'
import { loadSettings } from '../common/settings.js'

const address = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/, 'must be host:port')
const file = z.string().min(1)
const count = z.number().int().positive()
const bytes = z.number().int().nonnegative()
const milliseconds = z.number().int().positive()

const schema = z.strictObject({
  /** What people call this node. Its id stands in its certificate, as `node:<id>`. */
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be a name of letters, digits, - . _'),
  dataDir: file,
  /** Agents' addresses of coordinators; more are learned from them. */
  coordinators: z.array(address).min(1),
  /** Users' addresses of coordinators, where certificates are renewed; more are learned from them. */
  userAddresses: z.array(address).default([]),
  renewal: z
    .strictObject({
      /** A certificate that was issued so long ago is renewed. */
      afterMs: milliseconds.default(10 * 86_400_000),
      lookEveryMs: milliseconds.default(60_000),
    })
    .prefault({}),
  tls: z.strictObject({ caFile: file, certFile: file, keyFile: file }),
  runtime: z.enum(['docker', 'process', 'dummy']).default('docker'),
  docker: z.strictObject({ socketPath: file.default('/var/run/docker.sock') }).prefault({}),
  /** What the node offers, where that is not what the machine has. */
  cpus: z.number().positive().optional(),
  memoryBytes: count.optional(),
  /** The program that lists GPUs; looked for on PATH when left out. */
  nvidiaSmi: file.optional(),
  /** How long it may take. */
  nvidiaSmiTimeoutMs: milliseconds.default(20_000),
  /** The GPUs that this node offers, or MIG devices; all when left out. */
  gpuUuids: z.array(z.string().min(1)).optional(),
  /** For how long a GPU that was taken out must read well before it gets runs again. */
  gpuReturnAfterMs: milliseconds.default(300_000),
  /** Where the kernel tells of broken GPUs; not looked at where it can't be read. */
  kernelLogFile: file.default('/dev/kmsg'),
  /** Of what a run prints, where its assignment says nothing. */
  logLimitBytes: count.default(1 << 30),
  /** Of what a run writes, where its assignment says nothing; 0: none. */
  diskLimitBytes: bytes.default(0),
  /** Of bytes that a run's files pretend to have without using any disk, where it has no disk limit. */
  holesLimitBytes: count.default(64 * 2 ** 30),
  diskCheckMs: milliseconds.default(10_000),
  /** Attempts on this node at once, ended ones that are not let go of included. */
  maxAttempts: count.default(10_000),
  /** Of repositories kept for the next run of the same code. */
  codeCacheBytes: count.default(10 * 2 ** 30),
  codeCacheCount: count.default(200),
  /** How long a step waits for an engine or a leader that is away before it fails. */
  giveUpAfterMs: milliseconds.default(900_000),
  inventoryEveryMs: milliseconds.default(30_000),
  helloTimeoutMs: milliseconds.default(10_000),
  /** Until the leader says another. */
  heartbeatIntervalMs: milliseconds.default(2_000),
  missedHeartbeats: count.default(5),
  journal: z
    .strictObject({
      segmentBytes: z
        .number()
        .int()
        .min(1 << 16),
      spareSegments: count,
      gapMs: z.number().nonnegative(),
    })
    .partial()
    .prefault({}),
  /** For tests: as of so many versions later than it is this agent speaks. */
  versionsAhead: z.number().int().min(0).max(3).default(0),
  /** For tests: the process ends by SIGKILL when this point is reached for the nth time. */
  failpoint: z.strictObject({ name: z.string(), nth: count }).optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
})

export type NodeSettings = z.output<typeof schema>

/** From the file, the environment (`SPELL_NODE_…`) and flags. Throws SettingsError with every mistake. */
export function readNodeSettings(argv: readonly string[]): NodeSettings {
  return loadSettings(schema, { argv, prefix: 'SPELL_NODE' })
}

/** Lets gRPC, which reads the process's environment itself, see the proxies that are named there. */
export function adoptProxy(): void {
  Object.assign(process.env, grpcProxyVariables(process.env))
}

export interface NodeIdentity {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

/** Read anew for every connection, so that a renewed certificate counts from then on. */
export function readIdentity(tls: NodeSettings['tls']): NodeIdentity {
  return {
    ca: readFileSync(tls.caFile, 'utf8'),
    certificate: readFileSync(tls.certFile, 'utf8'),
    key: readFileSync(tls.keyFile, 'utf8'),
  }
}
