import { localTime } from '../output/dates.js'
import { timeAsJson } from '../output/run-json.js'
import { printable } from '../output/style.js'

/** What lets somebody in. */
export interface Invitation {
  readonly code: string
  readonly expiresAtMs: number
  readonly addresses: readonly string[]
  readonly caSha256: string
  /** Installs spell and logs in; undefined: nobody serves it. */
  readonly installLine?: string | undefined
}

/** For a person to pass on. The code is never part of the command: command lines are seen by others and kept. */
export function invitationText(name: string, invitation: Invitation): string {
  const { installLine } = invitation
  const install =
    installLine === undefined
      ? ''
      : `\nWhere spell is not installed, this line does it first:\n\n${installLine}\n`
  return `What ${printable(name)} types:

${loginCommand(invitation)}

and, when it asks, this code, which is good once, until ${localTime(invitation.expiresAtMs)}:

${invitation.code}
${install}`
}

export function invitationAsJson(invitation: Invitation): object {
  const { code, expiresAtMs, addresses, caSha256 } = invitation
  return {
    login_command: loginCommand(invitation),
    code,
    expires_at: timeAsJson(expiresAtMs),
    addresses,
    ca_hash: `sha256:${caSha256}`,
    install_line: invitation.installLine ?? null,
  }
}

function loginCommand({ addresses, caSha256 }: Invitation): string {
  return `spell login ${addresses.join(',')} --ca-hash sha256:${caSha256}`
}
