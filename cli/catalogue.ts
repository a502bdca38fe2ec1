import type { CommandFile, Entry } from './command-file.js'
import { type CommandName, commandNames } from './command-names.js'

const files: Readonly<Record<CommandName, () => Promise<CommandFile>>> = {
  run: () => import('./commands/run.js'),
  ps: () => import('./commands/ps.js'),
  logs: () => import('./commands/logs.js'),
  info: () => import('./commands/info.js'),
  stop: () => import('./commands/stop.js'),
  kill: () => import('./commands/kill.js'),
  wait: () => import('./commands/wait.js'),
  label: () => import('./commands/label.js'),
  archive: () => import('./commands/archive.js'),
  project: () => import('./commands/project.js'),
  ls: () => import('./commands/ls.js'),
  cp: () => import('./commands/cp.js'),
  login: () => import('./commands/login.js'),
  logout: () => import('./commands/logout.js'),
  whoami: () => import('./commands/whoami.js'),
  status: () => import('./commands/status.js'),
  context: () => import('./commands/context.js'),
  'access-tokens': () => import('./commands/access-tokens.js'),
  cluster: () => import('./commands/cluster.js'),
  node: () => import('./commands/node.js'),
  coordinator: () => import('./commands/coordinator.js'),
  etcd: () => import('./commands/etcd.js'),
  doctor: () => import('./commands/doctor.js'),
  completion: () => import('./commands/completion.js'),
}

/** Every command with its file, which is loaded when it is asked for. */
export const commands: readonly Entry[] = Object.entries(commandNames).map(([name, summary]) => ({
  name,
  summary,
  load: files[name as CommandName],
}))
