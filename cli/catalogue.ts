import type { Entry } from './command-file.js'

/** Every command that is there, in the order in which `spell --help` names them. */
export const commands: readonly Entry[] = [
  {
    name: 'run',
    summary: 'Run a command on a machine of the cluster',
    load: () => import('./commands/run.js'),
  },
  { name: 'ps', summary: 'List runs', load: () => import('./commands/ps.js') },
  { name: 'logs', summary: "Show or follow a run's output", load: () => import('./commands/logs.js') },
  { name: 'info', summary: 'Show all that is known of a run', load: () => import('./commands/info.js') },
  { name: 'stop', summary: 'Stop runs and save their outputs', load: () => import('./commands/stop.js') },
  { name: 'kill', summary: 'Kill runs; nothing is saved', load: () => import('./commands/kill.js') },
  { name: 'wait', summary: 'Wait until runs have ended', load: () => import('./commands/wait.js') },
  { name: 'label', summary: 'Add a label to a run or remove it', load: () => import('./commands/label.js') },
  { name: 'archive', summary: 'Hide finished runs from lists', load: () => import('./commands/archive.js') },
  { name: 'project', summary: 'Group runs into projects', load: () => import('./commands/project.js') },
  { name: 'ls', summary: 'List files, such as the outputs of a run', load: () => import('./commands/ls.js') },
  { name: 'cp', summary: 'Copy files from the cluster to here', load: () => import('./commands/cp.js') },
  { name: 'login', summary: 'Log in to a cluster', load: () => import('./commands/login.js') },
  { name: 'logout', summary: 'End the login session', load: () => import('./commands/logout.js') },
  { name: 'whoami', summary: 'Show who is logged in', load: () => import('./commands/whoami.js') },
  {
    name: 'status',
    summary: 'Show how many runs there are and may be',
    load: () => import('./commands/status.js'),
  },
  { name: 'context', summary: 'Choose between clusters', load: () => import('./commands/context.js') },
  {
    name: 'cluster',
    summary: 'Bring up and administer a cluster',
    load: () => import('./commands/cluster.js'),
  },
  { name: 'node', summary: 'Show the machines of the cluster', load: () => import('./commands/node.js') },
  {
    name: 'completion',
    summary: 'Print a completion script for a shell',
    load: () => import('./commands/completion.js'),
  },
]

/** Commands of the original that this version does not have yet. They are refused by name. */
export const laterCommands: readonly string[] = [
  'access-tokens',
  'hyper',
  'jupyter',
  'keys',
  'link',
  'model',
  'owner',
  'passwd',
  'repos',
  'rm',
  'server',
  'stats',
  'tensorboard',
  'unlink',
  'upload',
  'workflow',
]
