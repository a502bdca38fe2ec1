import type { Command } from 'commander'
import { RpcError } from '../../common/errors.js'
import { connect } from '../api.js'
import { currentContext, forgetToken } from '../config.js'
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
      const remark = remarkOn(error, currentContext(api.login.config, api.login.contextName)?.dir)
      tokenEnded = remark === undefined
      if (remark !== undefined) note(world, remark)
    }
    await forgetToken(world.settings.directory, api.login.token)
    const answer = { context: api.login.contextName ?? null, token_ended: tokenEnded }
    world.stdout.write(`${json ? JSON.stringify(answer) : 'Goodbye!'}\n`)
    if (world.settings.token !== undefined) {
      note(world, 'SPELL_TOKEN is still set: commands go on using it, and not the token of a context.')
    }
  })
}

/** What a person must know of a token that was forgotten here and not ended there. */
function remarkOn(error: RpcError, dir: string | undefined): string | undefined {
  switch (error.code) {
    case 'UNAUTHENTICATED':
      return undefined
    case 'FAILED_PRECONDITION': {
      const back = dir === undefined ? '"spell login"' : `"spell cluster up --dir ${dir}"`
      return `${sentenceOf(error)} It is forgotten here; ${back} brings the login back.`
    }
    default:
      return `Warning: the cluster could not be told, so the token stays valid there. ${sentenceOf(error)}`
  }
}
