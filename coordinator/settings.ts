import { z } from 'zod'
import { loadSettings } from '../common/settings.js'
import { defaultLeaderSettings } from './leader/types.js'

const address = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/, 'must be host:port')
const file = z.string().min(1)
const memberName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be a name of letters, digits, - . _')
const count = z.number().int().positive()
const milliseconds = z.number().int().positive()
const bytes = z.number().int().nonnegative()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex')

const defaults = defaultLeaderSettings

const limits = z.strictObject({
  /** A node not heard for this long gets no new runs. */
  suspectAfterMs: milliseconds.default(defaults.suspectAfterMs),
  /** A replaceable run is repeated this long after its node was last heard. */
  lostAfterMs: milliseconds.default(defaults.lostAfterMs),
  /** Where set: any run is given up this long after its node was last heard. */
  abandonAfterMs: milliseconds.optional(),
  heartbeatIntervalMs: milliseconds.default(defaults.heartbeatIntervalMs),
  /** Between a run's graceful and its hard signal, where the run says nothing. */
  graceMs: milliseconds.default(defaults.graceMs),
  /** Of what a run may write, where it says nothing; 0: none. */
  diskLimitBytes: bytes.default(defaults.diskLimitBytes),
  logLimitBytes: bytes.default(defaults.logLimitBytes),
  /** Request ids kept at once; over it submissions are refused. */
  maxRequestIds: count.default(defaults.maxRequestIds),
  /** Share of etcd's quota over which submissions are refused. */
  maxEtcdShare: z.number().gt(0).lte(1).default(defaults.maxEtcdShare),
  /** Records are written in a newer version so long after every coordinator reads it. */
  raiseSchemaAfterMs: milliseconds.default(defaults.raiseSchemaAfterMs),
  /** Whether nodes without containers may take runs. */
  allowProcessNodes: z.boolean().default(defaults.allowProcessNodes),
  /** For how long the certificates are valid that this coordinator signs. */
  certificateMs: milliseconds.default(defaults.certificateMs),
  /** Largest pack of code. */
  maxObjectBytes: count.default(4 * 1024 ** 3),
  archive: z
    .strictObject({
      segmentRuns: count.default(defaults.archive.segmentRuns),
      segmentBytes: count.default(defaults.archive.segmentBytes),
      segmentAfterMs: milliseconds.default(defaults.archive.segmentAfterMs),
      recentRuns: count.default(defaults.archive.recentRuns),
      cacheBytes: bytes.default(defaults.archive.cacheBytes),
    })
    .prefault({}),
})

const schema = z
  .strictObject({
    /** This coordinator's name; its certificate says `coordinator:<id>`. */
    id: memberName,
    clusterName: z.string().min(1).max(63),
    dataDir: file,
    /** Where users' calls are listened for; port 0 takes a free one. */
    userListen: address.default('127.0.0.1:7000'),
    /** What others dial for it; the address listened on when left out. */
    userAddress: address.optional(),
    agentListen: address.default('127.0.0.1:7001'),
    agentAddress: address.optional(),
    /** /metrics and /healthz in plain HTTP; none when left out. */
    metricsListen: address.optional(),
    /** The archives of spell by HTTPS, for machines that join and for laptops; not served when left out. */
    downloadListen: address.optional(),
    /** What machines and laptops dial for it; the address listened on when left out. */
    downloadAddress: address.optional(),
    /** Where the archives lie, with their SHA256SUMS; `packages` in dataDir when left out. */
    downloadDir: file.optional(),
    etcd: z.strictObject({
      endpoints: z.array(address).min(1),
      /** Left out all three: plain text, for tests only. */
      caFile: file.optional(),
      certFile: file.optional(),
      keyFile: file.optional(),
      prefix: z
        .string()
        .regex(/^[!-~]*\/$/, 'must end in /')
        .default('spell/'),
      /** Keys in one transaction: etcd's --max-txn-ops. */
      maxOperations: count.default(128),
      /** etcd's --quota-backend-bytes; its default is 2 GiB. */
      quotaBytes: count.default(2 * 1024 ** 3),
    }),
    tls: z.strictObject({ caFile: file, certFile: file, keyFile: file }),
    /** Of the certificates in `tls` and `etcd`, and of others on this machine: those of etcd's member, say. */
    renewal: z
      .strictObject({
        /** A certificate that was issued so long ago is renewed. */
        afterMs: milliseconds.default(10 * 86_400_000),
        lookEveryMs: milliseconds.default(60_000),
        also: z.array(z.strictObject({ certFile: file, keyFile: file })).default([]),
      })
      .prefault({}),
    /** What secrets in etcd and the store are sealed with: 32 bytes in Base64, the same on every coordinator. */
    clusterKeyFile: file.optional(),
    /** The key of the authority in `tls.caFile` (PEM). Needed until a leader has put it into etcd, sealed. */
    authorityKeyFile: file.optional(),
    /** The object store's directory; left out where another coordinator is its home. */
    storeDir: file.optional(),
    /**
     * The coordinator that has the object store in its `storeDir` and serves it to the others; left out: every coordinator
     * has it, in a `storeDir` that is shared, or there is only one.
     */
    storeHome: memberName.optional(),
    /** Who did what, in `audit/` of `dataDir`: files of at most so many bytes, and how many of them are kept. */
    audit: z
      .strictObject({ maxFileBytes: count.default(16 * 1024 ** 2), maxFiles: count.default(8) })
      .prefault({}),
    /** How long a leader that nobody hears of leads on, at most. */
    leaseTtlSeconds: z.number().int().min(1).default(5),
    /** Made an admin where the cluster has no such user; its token is put again wherever it is missing, and no logout ends it. */
    bootstrapUser: z.strictObject({ name: z.string().min(1).max(64), tokenSha256: sha256 }).optional(),
    limits: limits.prefault({}),
    /** For tests: as of so many versions later than it is this program speaks, reads and writes. */
    versionsAhead: z.number().int().min(0).max(3).default(0),
    /** For tests: SIGKILL to this process at the nth time that the point is reached. */
    failpoint: z.strictObject({ name: z.string(), nth: count.default(1) }).optional(),
    logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  })
  .superRefine(({ id, storeDir, storeHome }, context) => {
    const isElsewhere = storeHome !== undefined && storeHome !== id
    if (isElsewhere !== (storeDir === undefined))
      context.addIssue({
        code: 'custom',
        path: ['storeDir'],
        message: isElsewhere
          ? `is of no use: the store is at home on the coordinator ${storeHome}`
          : 'is missing',
      })
  })

export type CoordinatorSettings = z.output<typeof schema>

/** Throws SettingsError with every mistake. */
export function coordinatorSettings(
  argv: readonly string[],
  environment?: Readonly<Record<string, string | undefined>>,
): CoordinatorSettings {
  const sources = { argv, prefix: 'SPELL_COORDINATOR' }
  return loadSettings(schema, environment ? { ...sources, environment } : sources)
}

/** The leader's part of the settings. */
export function leaderSettings({ limits, bootstrapUser, versionsAhead }: CoordinatorSettings) {
  const { maxObjectBytes: _, abandonAfterMs, ...rest } = limits
  return { ...defaults, ...rest, abandonAfterMs, versionsAhead, ownTokenSha256: bootstrapUser?.tokenSha256 }
}
