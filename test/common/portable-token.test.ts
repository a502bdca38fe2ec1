import test from 'ava'
import { readToken, writeToken } from '../../common/portable-token.js'

const token = { secret: 'a-Secret_1', addresses: ['10.0.0.1:7000', '[::1]:7000'], caSha256: 'ab'.repeat(32) }

test('a token that says where its cluster is comes back as it was', (t) => {
  t.deepEqual(readToken(writeToken(token)), token)
  t.regex(writeToken(token), /^[\w.-]+$/, 'it needs no quoting')
})

test('anything else is a secret and nothing more', (t) => {
  const others = [
    '',
    'secret',
    'a.b.c',
    'spell1.',
    'spell1.x',
    'spell1..x',
    'spell1.AAAA.x',
    'spell1.e30.x',
    'spell1.a.b.c',
  ]
  for (const secret of others) t.deepEqual(readToken(secret), { secret, addresses: [], caSha256: '' }, secret)
})
