import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { messageOf } from '../../common/errors.js'
import { readClusterKey, seal, unseal } from '../../common/sealing.js'
import type { ResetAdminResponse__Output } from '../../proto/gen/spell/v1/ResetAdminResponse.js'
import { Api } from '../api.js'
import { readConfig } from '../config.js'
import { defineBelow } from '../define.js'
import { Failure } from '../failure.js'
import { folderOf } from '../machines/folders.js'
import type { World } from '../world.js'
import { invitationAsJson, invitationText } from './invitation.js'

const purposes = { request: 'reset admin', answer: 'admin reset' } as const

/** Of a coordinator's settings, what is needed to reach it and to prove oneself. */
const schema = z.object({
  userListen: z.string().default('127.0.0.1:7000'),
  userAddress: z.string().optional(),
  clusterKeyFile: z.string(),
  tls: z.object({ caFile: z.string() }),
})

const answerSchema = z.object({
  code: z.string(),
  expiresAtMs: z.number(),
  addresses: z.array(z.string()),
  caSha256: z.string(),
})

/** `spell coordinator reset-admin NAME`: needs nothing but the folder of a coordinator that runs. */
export function addResetAdmin(world: World, parent: Command): void {
  const command = defineBelow(
    world,
    parent,
    'reset-admin',
    "Make a user an admin, on a coordinator's own machine, and print what lets them in.",
  )
    .argument('<name>', 'name of a user, or of a new one')
    .option('--dir <dir>', `the coordinator's folder (${folderOf(world, 'coordinator', undefined).dir})`)
    .option('--json', 'as a JSON object')
  command.action(async (name: string) => {
    const { dir, json } = command.optsWithGlobals<{ dir?: string; json?: boolean }>()
    const folder = folderOf(world, 'coordinator', dir).dir
    const settings = readSettings(folder)
    const key = readClusterKey(settings.clusterKeyFile)
    const config = await readConfig(world.settings.directory)
    const addresses = [settings.userAddress ?? settings.userListen]
    const api = new Api(world, { contextName: undefined, addresses, ca: settings.ca, token: '', config })
    const proof = seal(key, purposes.request, JSON.stringify({ name }))
    const { sealed } = await api.call<ResetAdminResponse__Output>('People', 'ResetAdmin', { proof })
    const invitation = answerSchema.parse(JSON.parse(unseal(key, purposes.answer, sealed)))
    const text = json
      ? `${JSON.stringify({ name, ...invitationAsJson(invitation) })}\n`
      : `${name} is an admin.\n\n${invitationText(name, invitation)}`
    world.stdout.write(text)
  })
}

function readSettings(folder: string) {
  const file = settingsFile(folder)
  try {
    const { clusterKeyFile, tls, ...addresses } = schema.parse(JSON.parse(readFileSync(file, 'utf8')))
    const at = (path: string) => (isAbsolute(path) ? path : join(folder, path))
    return { ...addresses, clusterKeyFile: at(clusterKeyFile), ca: readFileSync(at(tls.caFile), 'utf8') }
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : messageOf(cause)
    throw new Failure('error', `${folder} is not the folder of a coordinator: ${reason}`, { cause })
  }
}

/** A cluster that `spell cluster up` made keeps one file for each of its programs. */
function settingsFile(folder: string): string {
  const several = join(folder, 'settings')
  if (!existsSync(several)) return join(folder, 'settings.json')
  const first = readdirSync(several)
    .filter((name) => /^coordinator.*\.json$/.test(name))
    .sort()[0]
  return join(several, first ?? 'coordinator-1.json')
}
