import type { ClusterInfo__Output } from '../../proto/gen/spell/v1/ClusterInfo.js'
import type { Api } from '../api.js'
import { Failure } from '../failure.js'
import { findInstaller } from '../machines/installer.js'
import { type Destination, laptopLine } from '../machines/pasted-line.js'
import { note, type World } from '../world.js'

/** The line that installs spell and logs in; undefined where no coordinator serves the archives. */
export async function installLine(
  world: World,
  api: Api,
  destination: Destination,
): Promise<string | undefined> {
  const { coordinators } = await api.call<ClusterInfo__Output>('Cluster', 'Get', {})
  if (!coordinators.some(({ downloadAddress }) => downloadAddress !== '')) return undefined
  try {
    return laptopLine(await findInstaller(api, 'cli.sh'), destination)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    note(world, `Warning: there is no line that installs spell. ${error.message}`)
    return undefined
  }
}
