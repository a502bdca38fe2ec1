import type { Clock } from '../common/clock.js'
import type { CoordinatorSettings } from './settings.js'
import { connectEtcd, type EtcdClient } from './store/etcd-client.js'
import { etcdTlsFiles, readTls } from './tls-files.js'

const callTimeoutMs = 5_000

/** The cluster's etcd, as a coordinator's settings name it. */
export function etcdOf(settings: CoordinatorSettings, clock: Clock): EtcdClient {
  const files = etcdTlsFiles(settings)
  const tls = files ? { tls: readTls(files) } : {}
  return connectEtcd({ endpoints: settings.etcd.endpoints, callTimeoutMs, ...tls }, clock)
}
