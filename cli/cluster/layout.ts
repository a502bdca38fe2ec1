import { join } from 'node:path'

/** Where things are below the folder of a local cluster; `down` leaves all of it, deleting the folder deletes the cluster. */
export interface Layout {
  readonly dir: string
  /** What was asked for and what was chosen: ClusterPlan. */
  readonly planFile: string
  /** Written by the supervisor: what it started and how often. */
  readonly progressFile: string
  readonly lockFile: string
  readonly trustFolder: string
  readonly adminTokenFile: string
  readonly clusterKeyFile: string
  readonly etcdFolder: string
  readonly storeFolder: string
  readonly logFolder: string
  settingsFile(name: string): string
  logFile(name: string): string
  certificateFile(name: string): string
  keyFile(name: string): string
  /** Of a coordinator or a node. */
  dataFolder(name: string): string
}

export function layoutOf(dir: string): Layout {
  const trust = join(dir, 'trust')
  const logs = join(dir, 'logs')
  return {
    dir,
    planFile: join(dir, 'cluster.json'),
    progressFile: join(dir, 'processes.json'),
    lockFile: join(dir, 'lock'),
    trustFolder: trust,
    adminTokenFile: join(trust, 'admin-token'),
    clusterKeyFile: join(trust, 'cluster.key'),
    etcdFolder: join(dir, 'etcd'),
    storeFolder: join(dir, 'store'),
    logFolder: logs,
    settingsFile: (name) => join(dir, 'settings', `${name}.json`),
    logFile: (name) => join(logs, `${name}.log`),
    certificateFile: (name) => join(trust, `${name}.pem`),
    keyFile: (name) => join(trust, `${name}-key.pem`),
    dataFolder: (name) => join(dir, 'data', name),
  }
}
