import { chmodSync, mkdtempSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  addContext,
  type Context,
  currentContext,
  forgetToken,
  readConfig,
  removeContext,
} from '../../cli/config.js'
import { Failure } from '../../cli/failure.js'
import { clientSettings } from '../../cli/settings.js'
import { desk } from './support/spell.js'

const context = (name: string): Context => ({
  name,
  addresses: ['127.0.0.1:7000'],
  ca: '-----BEGIN CERTIFICATE-----\nabc=\n-----END CERTIFICATE-----\n',
  token: `token of ${name}`,
  userName: 'ada',
})

function folder(text?: string): string {
  const made = mkdtempSync(join(tmpdir(), 'spell-config-'))
  if (text !== undefined) writeFileSync(join(made, 'config'), text)
  return made
}

test('without a file there are the defaults', async (t) => {
  t.like(await readConfig(folder()), {
    includeUncommitted: true,
    exitCode: false,
    contexts: [],
    token: undefined,
  })
})

test("the original's keys are understood, and ours", async (t) => {
  const text =
    'user_name: ada\nemail: a@b\ntoken: abc\nowner: team\ninclude_uncommitted: false\nexit_code: true\n'
  t.like(await readConfig(folder(text)), {
    userName: 'ada',
    email: 'a@b',
    token: 'abc',
    owner: 'team',
    includeUncommitted: false,
    exitCode: true,
  })
})

test('writing keeps comments and keys that this version does not know', async (t) => {
  const made = folder('# mine\nowner: team # really\nfuture: {a: [1, 2]}\n')
  await addContext(made, context('lab'))
  const text = readFileSync(join(made, 'config'), 'utf8')
  t.true(
    text.startsWith(
      '# mine\nowner: team # really\nfuture: {a: [1, 2]}\n'.replace('{a: [1, 2]}', '{ a: [ 1, 2 ] }'),
    ),
    text,
  )
  t.deepEqual((await readConfig(made)).contexts, [context('lab')])
})

test("a context remembers its cluster's folder, when that is here", async (t) => {
  const made = folder()
  const here = { ...context('here'), dir: '/data/here' }
  await addContext(made, here)
  await addContext(made, context('elsewhere'))
  t.deepEqual((await readConfig(made)).contexts, [here, context('elsewhere')])
})

test('the file is for its owner alone, whatever it was before', async (t) => {
  const made = folder('owner: team\n')
  chmodSync(join(made, 'config'), 0o644)
  await addContext(made, context('lab'))
  t.is(statSync(join(made, 'config')).mode & 0o777, 0o600)
})

test('a file behind a link is replaced where it is', async (t) => {
  const elsewhere = folder('owner: team\n')
  const made = folder()
  symlinkSync(join(elsewhere, 'config'), join(made, 'config'))
  await addContext(made, context('lab'))
  t.regex(readFileSync(join(elsewhere, 'config'), 'utf8'), /owner: team[\s\S]*lab:/)
})

test('many that write at once lose nothing', async (t) => {
  const made = folder()
  const names = Array.from({ length: 20 }, (_, index) => `cluster-${index}`)
  await Promise.all(names.map((name) => addContext(made, context(name))))
  t.deepEqual((await readConfig(made)).contexts.map(({ name }) => name).sort(), names.sort())
})

test('a context becomes current if there was none, or if that is wanted', async (t) => {
  const made = folder()
  const current = async () => currentContext(await readConfig(made))?.name
  await addContext(made, context('a'))
  await addContext(made, context('b'))
  t.is(await current(), 'a')
  await addContext(made, context('b'), 'always')
  t.is(await current(), 'b')
  t.is(currentContext(await readConfig(made), 'a')?.name, 'a')
  t.true(await removeContext(made, 'b'))
  t.is(await current(), 'a', 'the only one that is left')
  t.false(await removeContext(made, 'b'))
  await forgetToken(made, 'another one')
  t.is((await readConfig(made)).contexts[0]?.token, 'token of a')
  await forgetToken(made, 'token of a')
  t.is((await readConfig(made)).contexts[0]?.token, '')
  const config = await readConfig(made)
  t.throws(() => currentContext(config, 'c'), {
    instanceOf: Failure,
    message: /No context "c"; there are: a\./,
  })
})

for (const text of [
  'a: [',
  '- a\n',
  'contexts: 3\n',
  'include_uncommitted: perhaps\n',
  'contexts: {a: {addresses: x}}\n',
  'token: [1]\n',
]) {
  test(`a config that cannot be understood ends the program with 3: ${JSON.stringify(text)}`, async (t) => {
    const { spell, directory, tidy } = await desk()
    t.teardown(tidy)
    await addContext(directory, context('x'))
    writeFileSync(join(directory, 'config'), text)
    const { code, stderr } = await spell(['ps'])
    t.is(code, 3)
    t.true(stderr.includes(join(directory, 'config')), stderr)
    t.notRegex(stderr, /\n\s+at /)
  })
}

test("a client's directory that cannot be made is bad configuration", async (t) => {
  const file = join(folder(), 'file')
  writeFileSync(file, '')
  const error = await t.throwsAsync<Failure>(addContext(join(file, 'below'), context('x')))
  t.is(error.exit, 'configuration')
  t.regex(error.message, /^Could not write .*file\/below: ENOTDIR/)
})

test('the environment says where everything is', (t) => {
  t.like(clientSettings({ SPELL_DIR: '/x', SPELL_TOKEN: 't', SPELL_OWNER: 'o', SPELL_BASE_URL: 'h:1' }), {
    directory: '/x',
    token: 't',
    owner: 'o',
    baseUrl: 'h:1',
  })
  t.is(clientSettings({ SPELL_TOKEN: '' }).token, undefined)
  t.true(clientSettings({ LC_ALL: 'de_DE.utf8', LANG: 'C' }).utf8)
  t.false(clientSettings({ LC_ALL: 'C', LANG: 'de_DE.UTF-8' }).utf8)
})
