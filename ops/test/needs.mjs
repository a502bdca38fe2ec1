import { existsSync } from 'node:fs'
import {
  busybox,
  curl,
  debootstrap,
  docker,
  etcd,
  etcdClient,
  git,
  install,
  ip,
  missingOf,
  openssl,
  packagesOf,
  protoc,
  python,
  pythonGrpc,
  systemd,
  wget,
  whyNotInstallable,
} from '../setup/packages.mjs'
import { Stop } from '../setup/say.mjs'

const needs = [
  ...[etcd, etcdClient, docker, ip, git, debootstrap, busybox, curl, wget],
  ...[python, openssl, pythonGrpc, protoc, systemd],
]

/** Installs what the tests call and is not there. */
export async function seeToPackages() {
  const missing = missingOf(needs, existsSync)
  if (missing.length === 0) return
  const obstacle = whyNotInstallable()
  if (obstacle !== undefined) {
    throw new Stop(
      `The tests need these, which can't be installed from here: ${obstacle}. Have them installed:\n` +
        `    apt-get install --no-install-recommends ${packagesOf(missing).join(' ')}`,
    )
  }
  await install(missing)
}
