import test from 'ava'
import { grpcProxyVariables, proxyFor } from '../../common/proxy.js'

const https_proxy = 'http://proxy.corp:3128'

const isProxied = test.macro((t, host: string, no_proxy: string, wanted: boolean) => {
  t.is(proxyFor(host, { https_proxy, no_proxy }) !== undefined, wanted)
})

test('a host goes through the proxy', isProxied, 'spell.lab', '', true)
test('this machine does not, by name', isProxied, 'localhost', '', false)
test('this machine does not, by address', isProxied, '127.0.0.7', '', false)
test('this machine does not, by its IPv6 address', isProxied, '::1', '', false)
test('a name on the list does not', isProxied, 'spell.lab', 'other, spell.lab', false)
test('a name below a domain on the list does not', isProxied, 'a.lab', '.lab', false)
test('a name below a domain with a star does not', isProxied, 'a.lab', '*.lab', false)
test('a port on the list makes no difference', isProxied, 'spell.lab', 'spell.lab:7000', false)
test('an address in a network on the list does not', isProxied, '10.1.2.3', '10.0.0.0/8', false)
test('an address outside of it does', isProxied, '11.1.2.3', '10.0.0.0/8', true)
test('a star is everything', isProxied, 'spell.lab', '*', false)
test('an empty entry is nothing', isProxied, 'spell.lab', 'x.org,,y.org,', true)

test('capitals count, a scheme may be missing, a user becomes a header', (t) => {
  t.deepEqual(proxyFor('x', { HTTPS_PROXY: 'ann:s%20t@proxy:8080' }), {
    host: 'proxy',
    port: 8080,
    authorization: `Basic ${Buffer.from('ann:s t').toString('base64')}`,
  })
  t.is(proxyFor('x', { HTTPS_PROXY: 'proxy', NO_PROXY: 'x' }), undefined)
  t.is(proxyFor('x', { https_proxy: 'socks5://proxy:1' }), undefined)
  t.is(proxyFor('x', {}), undefined)
})

test('gRPC is told what everybody means', (t) => {
  t.deepEqual(grpcProxyVariables({}), {})
  t.deepEqual(grpcProxyVariables({ HTTPS_PROXY: 'http://p:1', NO_PROXY: ' a, *.b ,,c:70 ' }), {
    grpc_proxy: 'http://p:1/',
    no_grpc_proxy: 'a,.b,c',
  })
  t.is(grpcProxyVariables({ https_proxy, no_proxy: '*' }).no_grpc_proxy, ',')
})
