/** Every command that is there, in the order in which `spell --help` names them, with what it does. */
export const commandNames = {
  run: 'Run a command on a machine of the cluster',
  ps: 'List runs',
  logs: "Show or follow a run's output",
  info: 'Show all that is known of a run',
  stop: 'Stop runs and save their outputs',
  kill: 'Kill runs; nothing is saved',
  wait: 'Wait until runs have ended',
  label: 'Add a label to a run or remove it',
  archive: 'Hide finished runs from lists',
  project: 'Group runs into projects',
  ls: 'List files, such as the outputs of a run',
  cp: 'Copy files from the cluster to here',
  login: 'Log in to a cluster',
  logout: 'End the login session',
  whoami: 'Show who is logged in',
  status: 'Show how many runs there are and may be',
  context: 'Choose between clusters',
  'access-tokens': 'Make and end tokens for programs that act for you',
  cluster: 'Bring up and administer a cluster',
  node: 'Show and administer the machines of the cluster',
  coordinator: 'Make this machine a coordinator, and start it',
  etcd: "Start this machine's member of etcd",
  doctor: 'Check whether this machine is fit to be a node',
  completion: 'Print a completion script for a shell',
} as const

export type CommandName = keyof typeof commandNames

/** Commands of the original that this version does not have yet. They are refused by name. */
export const laterCommands: readonly string[] = [
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
