import { asRoot, howToBeRoot } from './root.mjs'
import { Stop, say } from './say.mjs'
import { findProgram } from './shell.mjs'

// What is needed from the system, by the program that shows it is there, the package of Debian and Ubuntu, and why.

export const etcd = { program: 'etcd', packages: ['etcd-server'], why: 'keeps the state of the cluster' }
export const etcdClient = {
  program: 'etcdctl',
  packages: ['etcd-client'],
  why: "tests look into the cluster's state",
}
export const docker = {
  program: 'dockerd',
  packages: ['docker.io', 'iptables'],
  why: 'runs are Docker containers',
}
export const git = { program: 'git', packages: ['git'], why: 'the code of a run comes from a git repository' }
export const debootstrap = {
  program: 'debootstrap',
  packages: ['debootstrap'],
  why: 'makes the image of runs where no registry answers',
}
export const busybox = {
  program: 'busybox',
  packages: ['busybox-static'],
  why: 'gives a shell to images that have none',
}
export const python = {
  program: 'python3',
  packages: ['python3'],
  why: 'runs that are no containers need it here',
}
export const ip = {
  program: 'ip',
  packages: ['iproute2'],
  why: 'tests start engines in networks of their own',
}
export const curl = { program: 'curl', packages: ['curl'], why: 'a pasted line fetches with it' }
export const wget = {
  program: 'wget',
  packages: ['wget'],
  why: 'a pasted line fetches with it where curl is not',
}
export const openssl = { program: 'openssl', packages: ['openssl'], why: 'tests check certificates with it' }
export const systemd = {
  program: 'systemd-analyze',
  packages: ['systemd'],
  why: 'units are checked with it; nothing is started',
}
export const pythonGrpc = {
  file: '/usr/lib/python3/dist-packages/grpc/__init__.py',
  packages: ['python3-grpcio', 'python3-protobuf'],
  why: 'tests speak to the cluster in another language',
}

export const protoc = {
  program: 'grpc_python_plugin',
  packages: ['protobuf-compiler', 'protobuf-compiler-grpc'],
  why: "tests make a Python client from the project's .proto files",
}

/** Those that are not there. */
export function missingOf(needs, exists) {
  return needs.filter((need) => (need.program ? findProgram(need.program) === undefined : !exists(need.file)))
}

export function packagesOf(needs) {
  return needs.flatMap((need) => need.packages)
}

/** Why they can't be installed from here; undefined: they can. */
export function whyNotInstallable() {
  if (findProgram('apt-get') === undefined) return 'this system has no apt-get'
  if (howToBeRoot() === 'none') return 'this user is not root and cannot use sudo'
  return undefined
}

/** Installs them with apt; a Stop says what did not work. */
export async function install(needs) {
  const packages = packagesOf(needs)
  say(`\nInstalling ${packages.join(' ')}…`)
  // Services that packages bring are started by whoever needs them, not by their installation.
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=120']
  const quiet = { stdio: ['inherit', 'ignore', 'inherit'] }
  if ((await asRoot([...apt, 'update'], quiet)) !== 0)
    say('apt-get update had trouble; trying with what is known.')
  const code = await asRoot([...apt, 'install', '-y', '--no-install-recommends', ...packages], quiet)
  if (code !== 0) throw new Stop(`apt-get could not install ${packages.join(' ')} (exit code ${code}).`)
}
