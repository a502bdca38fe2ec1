import { currentContext, readConfig } from '../config.js'
import { note, type World } from '../world.js'
import { coordinatorNames, userAddresses } from './listeners.js'
import type { ClusterPlan } from './plan-file.js'

/** What a person, or a script, wants to know of a cluster that just came up: where it is, how to speak to it, how to end it. */
export async function sayUp(
  world: World,
  dir: string,
  plan: ClusterPlan,
  as: 'sentences' | 'json',
): Promise<void> {
  const config = await readConfig(world.settings.directory)
  const isCurrent = currentContext(config)?.name === plan.name
  const addresses = userAddresses(plan)
  if (as === 'json') {
    const { name, runtime } = plan
    world.stdout.write(`${JSON.stringify({ name, dir, runtime, addresses, current: isCurrent })}\n`)
    return
  }
  const coordinators = coordinatorNames(plan).length === 1 ? 'Its coordinator is' : 'Its coordinators are'
  note(world, `Cluster ${plan.name} is up in ${dir}. ${coordinators} at ${addresses.join(', ')}.`)
  note(
    world,
    isCurrent
      ? `"spell" speaks to it: the context "${plan.name}" is the current one.`
      : `The context "${plan.name}" leads to it ("spell --context ${plan.name} COMMAND", or "spell context use ${plan.name}"); the current one stays what it was.`,
  )
  note(world, `"spell cluster down --dir ${dir}" ends it.`)
}
