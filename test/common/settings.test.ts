import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { loadSettings, SettingsError } from '../../common/settings.js'

const schema = z.strictObject({
  name: z.string(),
  listenPort: z.number().int().default(7000),
  verbose: z.boolean().optional(),
  addresses: z.array(z.string()).default([]),
  etcd: z.strictObject({ caFile: z.string(), maxOperations: z.number().int().positive().default(128) }),
  failpoint: z.strictObject({ name: z.string() }).optional(),
})

function load(
  file: object | string | undefined,
  argv: readonly string[],
  environment: Record<string, string> = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'spell-settings-'))
  try {
    const path = join(folder, 'settings.json')
    if (file !== undefined) writeFileSync(path, typeof file === 'string' ? file : JSON.stringify(file))
    const flags = file === undefined ? argv : ['--settings', path, ...argv]
    return loadSettings(schema, { argv: flags, prefix: 'SPELL_TEST', environment })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const file = { name: 'from-file', listenPort: 1, etcd: { caFile: 'ca' } }

test('a file alone is enough; what it leaves out has its default', (t) => {
  t.deepEqual(load({ name: 'a', etcd: { caFile: 'b' } }, []), {
    name: 'a',
    listenPort: 7000,
    addresses: [],
    etcd: { caFile: 'b', maxOperations: 128 },
  })
})

test('the environment comes before the file, and flags before both', (t) => {
  const environment = { SPELL_TEST_NAME: 'from-environment', SPELL_TEST_LISTEN_PORT: '2' }
  t.is(load(file, [], environment).name, 'from-environment')
  t.is(load(file, ['--name', 'from-flag'], environment).name, 'from-flag')
  t.is(load(file, ['--name=from-flag'], environment).listenPort, 2)
})

test('values of an inner object are named by their path', (t) => {
  t.is(load(file, ['--etcd.max-operations', '64']).etcd.maxOperations, 64)
  t.is(load(file, [], { SPELL_TEST_ETCD_CA_FILE: 'x' }).etcd.caFile, 'x')
  t.deepEqual(load(file, ['--failpoint.name', 'commit.before-send']).failpoint, {
    name: 'commit.before-send',
  })
})

test('lists are separated by commas, booleans are words', (t) => {
  const settings = load(file, ['--addresses', 'a:1,b:2', '--verbose', 'true'])
  t.deepEqual(settings.addresses, ['a:1', 'b:2'])
  t.true(settings.verbose)
})

test('every mistake is listed at once, with where it comes from', (t) => {
  const bad = { listenPort: 'x', unknown: 1, etcd: { maxOperations: 0, odd: 2 } }
  const error = t.throws(() => load(bad, ['--verbose', 'maybe', '--nonsense', '--name']), {
    instanceOf: SettingsError,
  })
  const text = error?.message ?? ''
  for (const part of [
    /--nonsense: there is no such setting/,
    /--name: needs a value/,
    /name: is required/,
    /listenPort: /,
    /verbose \(--verbose\): /,
    /unknown: there is no such setting/,
    /etcd\.odd: there is no such setting/,
    /etcd\.maxOperations: /,
    /etcd\.caFile: is required/,
  ])
    t.regex(text, part)
})

test('a file that is not there or is no JSON is a mistake beside the others', (t) => {
  t.throws(() => load(undefined, ['--settings', '/no/such/file']), {
    message: /no such file.*\n(.*\n)*.*name: is required/i,
  })
  t.throws(() => load('{', []), { message: /settings\.json: .*\n(.*\n)*.*name: is required/i })
  t.throws(() => load('[]', []), { message: /holds no JSON object/ })
})
