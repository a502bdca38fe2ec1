import test from 'ava'
import type { Role } from '../../../coordinator/core/records.js'
import { isForCoordinators, mayTouch, permissions, permit } from '../../../coordinator/rpc/permissions.js'
import { userMethods } from '../../../coordinator/rpc/user-endpoint.js'
import { allMethods, type Method } from '../../../proto/wire.js'

const user = (role: Role) => ({ name: role, email: '', role, maxConcurrentRuns: 0 })
const nameOf = ({ service, name }: Method<unknown, unknown>) => `${service}/${name}`
const methodNames = userMethods().map(nameOf)
const allNames = allMethods()
  .filter(({ service }) => service !== 'Agents')
  .map(nameOf)

test('every method of the service descriptors has a row, and no row is of a method that is not there', (t) => {
  t.true(methodNames.length > 20)
  t.deepEqual(Object.keys(permissions).sort(), [...allNames].sort())
})

test('what coordinators ask of one another is not for users, not even for an admin', (t) => {
  const names = allNames.filter(isForCoordinators)
  t.true(names.length > 5)
  for (const name of names) {
    t.false(methodNames.includes(name))
    t.throws(() => permit(name, user('admin')), { message: /needs the role coordinator/ }, name)
  }
})

test('an admin may call everything', (t) => {
  for (const name of methodNames) t.notThrows(() => permit(name, user('admin')), name)
})

const reading = new RegExp(
  `^(${[
    ...['Runs/(Get|List|Follow)', 'Projects/(List|Get)', 'Files/(List|Read)', 'Account/.*'],
    'Cluster/(Get|List.*)',
    'Join/.*',
    'MachineTypes/List',
    'Nodes/Get',
    'People/(LogIn|ResetAdmin)',
    'Tokens/.*',
  ].join('|')})$`,
)

test('a viewer may call what changes nothing, and end its own token', (t) => {
  for (const name of methodNames) {
    const call = () => permit(name, user('viewer'))
    if (reading.test(name)) t.notThrows(call, name)
    else t.throws(call, { message: /needs the role/ }, name)
  }
})

test('only an admin may change the cluster', (t) => {
  for (const name of ['Cluster/Set', 'Cluster/SetUser'])
    t.throws(() => permit(name, user('member')), undefined, name)
})

test('a method without a row is open to nobody', (t) => {
  t.throws(() => permit('Runs/NotThere', user('admin')), { message: /open to nobody/ })
})

test('a member touches its own, an admin all', (t) => {
  t.true(mayTouch('Runs/Stop', user('member'), 'member'))
  t.false(mayTouch('Runs/Stop', user('member'), 'someone else'))
  t.true(mayTouch('Runs/Stop', user('admin'), 'someone else'))
  t.true(mayTouch('Runs/Get', user('viewer'), 'someone else'))
})
