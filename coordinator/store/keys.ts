// Every key that Spell keeps in etcd. Values are JSON with `v`, the version of their schema.

/** Digits of a run's id in a key, so that etcd's order of keys is the order of runs. */
const runDigits = 12

export type Keys = ReturnType<typeof makeKeys>

/** All names under one prefix, such as `spell/`; several clusters may share an etcd. */
export function makeKeys(prefix: string) {
  const padded = (runId: number) => String(runId).padStart(runDigits, '0')
  return {
    prefix,
    /** Held by the leader under its lease: its id, addresses and term. */
    leader: `${prefix}leader`,
    /** Term and number of the newest transaction. */
    commit: `${prefix}commit`,
    /** Moved by every transaction that wins an election. */
    term: `${prefix}term`,
    /** Made once; replaced when a backup is restored, so that terms before and after differ. */
    generation: `${prefix}generation`,
    /** There from a restored backup's first leader on, until an admin has had the counter of runs repaired. */
    restored: `${prefix}restored`,
    /** The version of the schema that records are written in; 1 where it is missing. This key's own never changes. */
    schema: `${prefix}schema`,
    /** The newest run's id. */
    counter: `${prefix}counter`,
    /** Sealed with the cluster's key: whoever has another one must not lead. */
    keyCheck: `${prefix}key-check`,
    runs: `${prefix}run/`,
    runSpec: (runId: number) => `${prefix}run/${padded(runId)}/spec`,
    runStatus: (runId: number) => `${prefix}run/${padded(runId)}/status`,
    requests: `${prefix}request/`,
    request: (userName: string, requestId: string) => `${prefix}request/${userName}/${requestId}`,
    nodes: `${prefix}node/`,
    node: (nodeId: string) => `${prefix}node/${nodeId}`,
    users: `${prefix}user/`,
    user: (name: string) => `${prefix}user/${name}`,
    tokens: `${prefix}token/`,
    token: (sha256: string) => `${prefix}token/${sha256}`,
    loginCodes: `${prefix}login-code/`,
    loginCode: (userName: string) => `${prefix}login-code/${userName}`,
    projects: `${prefix}project/`,
    project: (name: string) => `${prefix}project/${name}`,
    machineTypes: `${prefix}machine-type/`,
    /** `name` in compared form. Read before runs, whose demands follow from it. */
    machineType: (name: string) => `${prefix}machine-type/${name}`,
    settings: `${prefix}setting/`,
    setting: (name: string) => `${prefix}setting/${name}`,
    segments: `${prefix}segment/`,
    segment: (number: number) => `${prefix}segment/${padded(number)}`,
    joinTokens: `${prefix}join-token/`,
    joinToken: (sha256: string) => `${prefix}join-token/${sha256}`,
    /** Sealed with the cluster's key, which is on the coordinators' disks alone. */
    authorityKey: `${prefix}secret/ca-key`,
    memberships: `${prefix}membership/`,
    /** `holder`: `node:<id>` or `coordinator:<id>`. */
    membership: (holder: string) => `${prefix}membership/${holder}`,
    edits: `${prefix}edit/`,
    edit: (runId: number) => `${prefix}edit/${padded(runId)}`,
  }
}

/** What a run's key is about, or undefined when `key` is no run's. */
export function parseRunKey(
  keys: Keys,
  key: string,
): { readonly runId: number; readonly part: 'spec' | 'status' } | undefined {
  if (!key.startsWith(keys.runs)) return undefined
  const [digits, part] = key.slice(keys.runs.length).split('/')
  if (digits?.length !== runDigits || (part !== 'spec' && part !== 'status')) return undefined
  return { runId: Number(digits), part }
}
