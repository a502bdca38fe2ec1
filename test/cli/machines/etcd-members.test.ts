import test from 'ava'
import { ownMember, parseMembers } from '../../../cli/machines/etcd-members.js'
import { memberArguments, newEtcdSettings } from '../../../cli/machines/etcd-settings.js'
import { programFolder } from '../../../cli/machines/folders.js'

test('members are named or numbered', (t) => {
  t.deepEqual(parseMembers('a=alpha, b=10.0.0.2,c=[fd00::3]'), [
    { name: 'a', host: 'alpha' },
    { name: 'b', host: '10.0.0.2' },
    { name: 'c', host: 'fd00::3' },
  ])
  t.deepEqual(parseMembers('alpha'), [{ name: 'etcd-1', host: 'alpha' }])
})

const refused = test.macro({
  exec: (t, written: string, sentence: RegExp) => {
    t.throws(() => parseMembers(written), { message: sentence })
  },
  title: (_, written) => `refused: --etcd ${written}`,
})
test(refused, 'a=alpha,b=beta', /one member or three, not 2/)
test(refused, 'a=alpha,a=beta,c=gamma', /two members of one name/)
test(refused, 'a=alpha,b=alpha,c=gamma', /two members of one host/)
test(refused, 'a=alpha:2379', /name or the address of a machine, not "alpha:2379"/)
test(refused, 'a b=alpha', /letters, digits and dashes/)
test(refused, '', /name or the address of a machine/)

test('one member is this machine, no more and no less', async (t) => {
  const members = parseMembers('a=alpha.invalid,b=beta.invalid,c=gamma.invalid')
  t.is((await ownMember(members, ['beta.invalid'])).name, 'b')
  await t.throwsAsync(ownMember(members, ['delta.invalid']), { message: /None of --etcd's machines/ })
  await t.throwsAsync(ownMember(members, ['alpha.invalid', 'beta.invalid']), { message: /Several of/ })
})

test('a member with an IPv6 address listens on IPv6 and has brackets in its URLs', (t) => {
  const members = [{ name: 'a', host: 'fd00::1' }]
  const settings = newEtcdSettings({ cluster: 'lab', token: 'x', name: 'a', members })
  const args = memberArguments(programFolder('etcd', '/var/lib/spell/etcd'), settings)
  t.true(args.includes('--listen-client-urls=https://[::]:2379'))
  t.true(args.includes('--initial-cluster=a=https://[fd00::1]:2380'))
})
