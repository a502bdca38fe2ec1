import type { Command } from 'commander'
import { RpcError } from '../../common/errors.js'
import { connect } from '../api.js'
import { forgetToken } from '../config.js'
import { define } from '../define.js'
import { sentenceOf } from '../explain.js'
import { note, type World } from '../world.js'

export function build(world: World): Command {
  const command = define(world, 'logout', 'End the login session: the token is worth nothing afterwards.')
    .option('--json', 'as a JSON object')
    .addHelpText('after', '\nExample:\n  spell logout\n')
  return command.action(async () => {
    const { context, json } = command.opts<{ context?: string; json?: boolean }>()
    const api = await connect(world, context)
    let tokenEnded = true
    try {
      await api.call('Account', 'Logout', {})
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      if (error.code !== 'UNAUTHENTICATED') {
        tokenEnded = false
        note(
          world,
          `Warning: the cluster could not be told, so the token stays valid there. ${sentenceOf(error)}`,
        )
      }
    }
    await forgetToken(world.settings.directory, api.login.token)
    const answer = { context: api.login.contextName ?? null, token_ended: tokenEnded }
    world.stdout.write(`${json ? JSON.stringify(answer) : 'Goodbye!'}\n`)
    if (world.settings.token !== undefined) {
      note(world, 'SPELL_TOKEN is still set: commands go on using it, and not the token of a context.')
    }
  })
}
