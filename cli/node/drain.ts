import type { Command } from 'commander'
import type { NodeDetails__Output } from '../../proto/gen/spell/v1/NodeDetails.js'
import { type Api, connect } from '../api.js'
import { defineBelow, duration } from '../define.js'
import { Failure } from '../failure.js'
import { printable } from '../output/style.js'
import { note, type World } from '../world.js'
import { detailsAsJson } from './node-json.js'
import { runsNamed } from './runs-named.js'

interface DrainOptions {
  readonly context?: string
  readonly reason?: string
  readonly stop?: boolean
  readonly timeout?: number
  readonly json?: boolean
}

const lookEveryMs = 1_000

export function addDrain(world: World, parent: Command): void {
  const command = defineBelow(
    world,
    parent,
    'drain',
    'Give a machine no new runs, and wait until none is left.',
  )
    .argument('<name>', 'name or id of the node')
    .option('--reason <text>', 'for whoever asks why')
    .option('--stop', 'stop the runs that are there and save their outputs; kill those that do not run yet')
    .option('--timeout <time>', 'wait at most so long, in minutes or as 90s, 30m, 2h', duration('m'))
    .option('--json', 'the node as a JSON object when nothing is left')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<DrainOptions>()
    const api = await connect(world, options.context)
    const request = { name, reason: options.reason ?? '', stop: options.stop ?? false }
    const first = await api.call<NodeDetails__Output>('Nodes', 'Drain', request)
    const last = await untilEmpty(world, api, first, options.timeout)
    const sentence = `Node ${last.node?.name} is drained: nothing runs there. "spell node uncordon ${name}" gives it runs again.`
    world.stdout.write(`${options.json ? JSON.stringify(detailsAsJson(last)) : printable(sentence)}\n`)
  })
}

/** Says what is still there whenever that changes. */
async function untilEmpty(
  world: World,
  api: Api,
  first: NodeDetails__Output,
  timeoutMs = Number.POSITIVE_INFINITY,
): Promise<NodeDetails__Output> {
  const { clock } = world
  const giveUpAt = clock.monotonic() + timeoutMs
  const id = first.node?.id ?? ''
  const nodeName = first.node?.name ?? id
  let said = ''
  for (let details = first; ; details = await api.call<NodeDetails__Output>('Nodes', 'Get', { name: id })) {
    if (details.runs.length === 0) return details
    const runs = runsNamed(details)
    if (runs !== said) note(world, printable(`Waiting for what is on ${nodeName}: ${runs}`))
    said = runs
    if (clock.monotonic() >= giveUpAt)
      throw new Failure('error', `Node ${nodeName} gets no new runs, but is not empty yet: ${runs}.`)
    await clock.sleep(Math.min(lookEveryMs, giveUpAt - clock.monotonic()))
  }
}
