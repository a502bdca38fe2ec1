import test from 'ava'
import { RpcError } from '../../../common/errors.js'
import { parseAttemptKey } from '../../../node-agent/runtimes/control-folder.js'
import { pullQuery } from '../../../node-agent/runtimes/docker-image.js'
import { evaluate } from '../../../node-agent/runtimes/dummy-script.js'
import { resolveOwner, userNameOf } from '../../../node-agent/runtimes/image-owner.js'
import { parseStat } from '../../../node-agent/runtimes/linux-processes.js'
import { visibleGpus } from '../../../node-agent/runtimes/visible-gpus.js'

const passwd = 'root:x:0:0:root:/root:/bin/sh\nruner:x:1001:1002::/home/runer:/bin/sh\n'
const groups = 'root:x:0:\nvideo:x:44:runer\n'

const owner = test.macro({
  title: (_title, user: string) => `the user ${user} of an image`,
  exec(t, user: string, uid: number, gid: number) {
    t.deepEqual(resolveOwner(user, passwd, groups), { uid, gid })
  },
})
test(owner, 'runer', 1001, 1002)
test(owner, 'runer:video', 1001, 44)
test(owner, '1001', 1001, 1002)
test(owner, '7777', 7777, 0)
test(owner, '7777:video', 7777, 44)
test('a user whom the image does not know is named', (t) => {
  t.regex(
    t.throws(() => resolveOwner('nobody', passwd, groups), { instanceOf: RpcError })?.message ?? '',
    /nobody/,
  )
})

test("USER is an image's user by name, unless the image says it", (t) => {
  const name = (user: string, namesUser = false) => userNameOf({ digest: 'sha256:00', user, namesUser })
  t.deepEqual(
    ['', '0', 'root:video', 'runer:video', '1001'].map((user) => name(user)),
    ['root', 'root', 'root', 'runer', undefined],
  )
  t.is(name('runer', true), undefined)
})

test('an image without a tag is its latest, and never all of them', (t) => {
  t.deepEqual(pullQuery('localhost:5000/a/b'), { fromImage: 'localhost:5000/a/b', tag: 'latest' })
  t.deepEqual(pullQuery('localhost:5000/a/b:3'), { fromImage: 'localhost:5000/a/b', tag: '3' })
  t.deepEqual(pullQuery('a@sha256:00'), { fromImage: 'a@sha256:00' })
})

test("a process's name may hold anything", (t) => {
  const fields = 'S 12 34 56 0 -1 4194304 87 0 0 0 0 0 0 0 20 0 1 0 136858 0'
  t.deepEqual(parseStat(`7 (a) R (b) ${fields}`), {
    pid: 7,
    parent: 12,
    group: 34,
    session: 56,
    zombie: false,
    startTicks: 136858,
  })
})

const visible = test.macro({
  title: (_title, wanted: string | undefined) =>
    `CUDA_VISIBLE_DEVICES=${wanted ?? ' left out'} counts among a task's own GPUs`,
  exec(t, wanted: string | undefined, shown: string) {
    const env = wanted === undefined ? {} : { CUDA_VISIBLE_DEVICES: wanted }
    t.is(visibleGpus({ env, gpuUuids: ['GPU-aa', 'GPU-bb'] }).CUDA_VISIBLE_DEVICES, shown)
  },
})
test(visible, undefined, 'GPU-aa,GPU-bb')
test(visible, '1', 'GPU-bb')
test(visible, '1,0', 'GPU-bb,GPU-aa')
test(visible, '0,7,1', 'GPU-aa')
test(visible, 'GPU-b', 'GPU-bb')
test(visible, '', '')

test('the name of an attempt is read back, and nothing else is', (t) => {
  t.deepEqual(parseAttemptKey('12.3'), { runId: 12, attempt: 3 })
  for (const text of ['12', '0.1', '1.0', '1.2.3', 'a.b', '01.1', '1.1 '])
    t.is(parseAttemptKey(text), undefined, text)
})

test('the dummy saves when it is stopped, if its command says so', (t) => {
  const script = evaluate('echo on; trap 5 ckpt whole; sleep 100', { terminatedAtMs: 1000 })
  t.like(script, { endMs: 6000, exitCode: 0 })
  t.deepEqual(
    script.events.map((event) => [event.kind, event.atMs]),
    [
      ['output', 0],
      ['write', 6000],
      ['output', 6000],
    ],
  )
  const killed = evaluate('trap 5 ckpt whole; sleep 100', { terminatedAtMs: 1000, killedAtMs: 2000 })
  t.like(killed, { endMs: 2000, exitCode: 137, events: [] })
})
