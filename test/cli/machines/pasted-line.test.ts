import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { execa } from 'execa'
import { joinLine, laptopLine, pastedLine } from '../../../cli/machines/pasted-line.js'
import { issueCertificate, makeAuthority } from '../../../common/certificates.js'
import { systemClock } from '../../../common/clock.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const token = 'a-secret_Token.1'
const caSha256 = 'ab'.repeat(32)
/** Says what it was given, and what anybody on the machine could read of it. */
const script = `printf '%s\\n' "$@" "token $SPELL_JOIN_TOKEN"; tr '\\0' ' ' </proc/$$/cmdline\n`
const sha256 = createHash('sha256').update(script).digest('hex')
const tools = ['sh', 'mktemp', 'rm', 'tr', 'sha256sum', 'curl', 'wget'] as const
type Tool = (typeof tools)[number] | 'bash' | 'zsh'

test('a pasted line hands the words and the token to the script, in each shell and with curl or wget', async (t) => {
  const address = await served(t)
  const unreachable = '127.0.0.1:1'
  const words = ['node', 'join', '10.0.0.1:7000,[fd00::1]:7000', '--ca-hash', caSha256]
  for (const shell of ['sh', 'bash', 'zsh']) {
    if (!existsSync(`/bin/${shell}`)) continue
    for (const addresses of [[address], [unreachable, address]]) {
      for (const without of ['curl', 'wget'] as const) {
        const line = joinLine({ name: 'node.sh', addresses, sha256 }, words, token)
        t.false(line.includes('\n'))
        t.false(line.includes('!'))
        const { stdout, exitCode } = await typed(t, shell, line, without)
        t.is(exitCode, 0)
        const [from, ...rest] = stdout.split('\n')
        t.is(from, addresses.join(','))
        t.deepEqual(rest.slice(0, 5), words)
        t.is(rest[5], `token ${token}`)
        t.false(rest[6]?.includes(token))
        t.regex(rest[6] ?? '', /^sh .*node\.sh .* node join /)
      }
    }
  }
})

test('the line of a laptop ends with a login and has no secret', async (t) => {
  const address = await served(t)
  const line = laptopLine(
    { name: 'cli.sh', addresses: [address], sha256 },
    { addresses: ['a:1', 'b:2'], caSha256 },
  )
  const { stdout } = await typed(t, 'sh', line)
  t.deepEqual(stdout.split('\n').slice(0, 6), [address, 'login', 'a:1,b:2', '--ca-hash', caSha256, 'token '])
})

const refusals: readonly {
  readonly what: string
  readonly without?: readonly Tool[]
  readonly change?: { readonly sha256?: string; readonly addresses?: readonly string[] }
  readonly says: RegExp
}[] = [
  {
    what: 'another script than the one that was named',
    change: { sha256: '0'.repeat(64) },
    says: /The installer is not the one that this line names: ask for a new line\.$/,
  },
  {
    what: 'neither curl nor wget',
    without: ['curl', 'wget'],
    says: /^Neither curl nor wget is here: install one of them\.$/,
  },
  {
    what: 'nothing to hash with',
    without: ['sha256sum'],
    says: /Neither sha256sum nor shasum is here: install coreutils\.$/,
  },
  {
    what: 'nobody there',
    change: { addresses: ['127.0.0.1:1'] },
    says: /No coordinator could be reached that gives the installer\.$/,
  },
]
for (const { what, without = [], change = {}, says } of refusals) {
  test(`a pasted line runs nothing and says why: ${what}`, async (t) => {
    const installer = { name: 'node.sh', addresses: [await served(t)], sha256, ...change } as const
    for (const shell of ['sh', 'bash', 'zsh'] as const) {
      if (!existsSync(`/bin/${shell}`)) continue
      const ended = await typed(t, shell, pastedLine(installer, ['--version'], {}), ...without)
      t.is(ended.exitCode, 1)
      t.is(ended.stdout, '')
      t.regex(ended.stderr, says)
      // Nothing stays in the shell that it was pasted into, which goes on.
      t.is(ended.left, '')
    }
  })
}

/** As somebody types it: the shell reads it from its input. */
async function typed(t: ExecutionContext, shell: string, line: string, ...without: readonly Tool[]) {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'bin')
  const temporary = join(folder, 'tmp')
  mkdirSync(path)
  mkdirSync(temporary)
  for (const tool of tools) {
    if (!without.includes(tool)) symlinkSync(await where(tool), join(path, tool))
  }
  const after = join(folder, 'after')
  const { stdout, stderr, exitCode } = await execa(`/bin/${shell}`, [], {
    input: `${line}\ncode=$?; echo "$a$d$s$h" >${after}; exit $code\n`,
    env: { PATH: path, TMPDIR: temporary },
    extendEnv: false,
    reject: false,
  })
  return { stdout, stderr, exitCode, left: readFileSync(after, 'utf8').trim() }
}

async function where(tool: string): Promise<string> {
  return (await execa('sh', ['-c', `command -v ${tool}`])).stdout
}

async function served(t: ExecutionContext): Promise<string> {
  const authority = await makeAuthority('test', systemClock)
  const { certificatePem, keyPem } = await issueCertificate(authority, {
    commonName: 'coordinator:a',
    dnsNames: ['elsewhere'],
    ipAddresses: [],
    clock: systemClock,
  })
  const server = createServer({ cert: certificatePem, key: keyPem }, (_, response) => response.end(script))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
