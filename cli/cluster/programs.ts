import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { invariant } from '../../common/errors.js'
import { Failure } from '../failure.js'

/** Paths of the programs that a local cluster starts. */
export interface Programs {
  readonly node: string
  readonly etcd: string
  readonly coordinator: string
  readonly nodeAgent: string
  readonly supervisor: string
  /** Where `npm run package` puts the archives that coordinators serve; it need not exist. */
  readonly downloads: string
}

/** Throws Failure when the programs are not there, and one naming the packages when etcd isn't. */
export function findPrograms(searchPath: readonly string[], root: string): Programs {
  const ours = ourPrograms(root)
  const etcd = findProgram('etcd', searchPath)
  if (etcd === undefined) {
    throw new Failure(
      'error',
      'A cluster keeps its state in etcd, which is not installed. ' +
        'On Debian and Ubuntu: sudo apt-get install etcd-server etcd-client',
    )
  }
  return { ...ours, etcd }
}

/** Those that come with `spell` itself. Throws Failure where it is the command line alone. */
export function ourPrograms(root: string): Omit<Programs, 'etcd'> {
  const coordinator = join(root, 'coordinator/main.js')
  if (!existsSync(coordinator)) {
    throw new Failure(
      'error',
      'This spell is the command line alone. A cluster needs the programs of a spell-node archive (Linux), or of the npm package.',
    )
  }
  return {
    node: process.execPath,
    coordinator,
    nodeAgent: join(root, 'node-agent/main.js'),
    supervisor: join(root, 'cli/cluster/supervisor-main.js'),
    downloads: join(dirname(root), 'dist-packages'),
  }
}

/** The first file of this name that may be executed. */
export function findProgram(name: string, searchPath: readonly string[]): string | undefined {
  return searchPath.map((folder) => join(folder, name)).find(isExecutable)
}

/** The folder of all compiled programs, as `spell` knows it: it is `cli/main.js` in it, or `bundle/spell.cjs`. */
export function programRoot(): string {
  const [, script] = process.argv
  invariant(script, 'Node was started with a script')
  return dirname(dirname(realpathSync(script)))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
