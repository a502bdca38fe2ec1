import { spawn } from 'node:child_process'
import { messageOf } from '../../common/errors.js'
import type { NumberedOrder, StarterAnswer } from './process-starter.js'

// The small process that forks for the agent (process-starter.ts). It ends with the agent, however that ends.

process.on('message', (order) => start(order as NumberedOrder))
process.once('disconnect', () => process.exit(0))

function start({ number, program, args, folder, env }: NumberedOrder): void {
  const tell = (kind: StarterAnswer['kind'], reason?: string): void => {
    const answer: StarterAnswer = { number, kind, ...(reason === undefined ? {} : { reason }) }
    if (process.connected) process.send?.(answer)
  }
  try {
    const child = spawn(program, args, {
      cwd: folder,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    child.once('error', (error) => tell('failed', messageOf(error)))
    child.once('close', () => tell('over'))
    child.stdout.once('close', () => {
      if (child.pid !== undefined) tell('ready')
    })
    child.stdout.resume()
  } catch (error) {
    tell('failed', messageOf(error))
  }
}
