import { homedir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'

/** What the environment says to a local cluster. */
export interface LocalEnvironment {
  /** The whole environment of its processes: a written list, so that a cluster does not depend on who brought it up. */
  readonly forProcesses: Readonly<Record<string, string>>
  /** Folders that programs are looked for in. */
  readonly searchPath: readonly string[]
  /** Things that can be made again, such as the default image: `~/.cache/spell`. */
  readonly cacheFolder: string
  /** DOCKER_HOST, where it is a socket of this machine. */
  readonly dockerSocket: string
  /** Who the cluster's administrator is. */
  readonly userName: string
}

type Variables = Readonly<Record<string, string | undefined>>

const kept = ['LANG', 'LC_ALL', 'TZ', 'TMPDIR'] as const
// A login shell's PATH often lacks the administrator's folders, a bare environment has none at all.
const always = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

export function localEnvironment(variables: Variables = process.env): LocalEnvironment {
  const searchPath = [...new Set([...(variables.PATH ?? '').split(delimiter).filter(Boolean), ...always])]
  const userName = userInfo().username
  const chosen = kept.flatMap((name) => (variables[name] ? [[name, variables[name]] as const] : []))
  return {
    forProcesses: {
      PATH: searchPath.join(delimiter),
      HOME: homedir(),
      USER: userName,
      LOGNAME: userName,
      ...Object.fromEntries(chosen),
    },
    searchPath,
    cacheFolder: join(variables.XDG_CACHE_HOME || join(homedir(), '.cache'), 'spell'),
    dockerSocket: /^unix:\/\/(\/.+)$/.exec(variables.DOCKER_HOST ?? '')?.[1] ?? '/var/run/docker.sock',
    userName,
  }
}
