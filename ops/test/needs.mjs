import { existsSync } from 'node:fs'
import { lookForEngine, startEngine, stopEngine } from '../setup/engine.mjs'
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

/** Returns what ends the engine, if one had to be started. */
export async function seeToEngine() {
  if ((await lookForEngine()) !== 'silent') return async () => {}
  const started = await startEngine()
  if (started.kind === 'failed') throw new Stop(`The tests need a Docker Engine: ${started.reason}.`)
  return stopEngine
}
