import { defaultLeaderSettings } from '../../../coordinator/leader/types.js'
import type { Leader } from '../../../coordinator/leader.js'
import { Agent } from '../leader/fake-agent.js'
import { attempt, settle, submit, type World } from '../leader/harness.js'

/** Segments of four runs. */
export const small = {
  archive: { ...defaultLeaderSettings.archive, segmentRuns: 4, recentRuns: 2, segmentAfterMs: 60_000 },
}

export async function runToEnd(leader: Leader, agent: Agent, count: number): Promise<void> {
  for (let run = 0; run < count; run += 1) {
    const id = await submit(leader, { project: 'p', labels: ['old'] })
    await settle()
    await agent.finish(attempt(id))
    await agent.forget()
  }
  await settle()
}

export async function ready(world: World) {
  const leader = world.lead(small)
  const agent = new Agent('n1')
  await agent.connect(leader)
  return { leader, agent }
}
