import test from 'ava'
import { RpcError } from '../../../common/errors.js'
import { readTree } from '../../../node-agent/code/tree-files.js'

test('trees that climb out or lead into .git are refused before anything is written', (t) => {
  const line = (path: string, mode = '100644', type = 'blob') =>
    Buffer.from(`${mode} ${type} ${'a'.repeat(40)}       1\t${path}\0`)
  const refuses = (...lines: Buffer[]) =>
    t.is(
      t.throws(() => readTree(Buffer.concat(lines), 0), { instanceOf: RpcError })?.code,
      'INVALID_ARGUMENT',
    )
  for (const path of [
    '../x',
    'a/../../x',
    '.git/config',
    'a/.GIT/hooks/x',
    'git~1/config',
    'a//b',
    './a',
    '/etc/x',
  ])
    refuses(line(path))
  refuses(line('sub', '160000', 'commit'))
  refuses(line('a', '120000'), line('a/b'))
  refuses(line('a'), line('a'))
  refuses(line('a').subarray(0, -1))
  t.is(readTree(Buffer.concat([line('a.git/x'), line('.github/x'), line('.gitignore')]), 0).length, 3)
  t.is(
    t.throws(() => readTree(Buffer.concat([line('a'), line('b')]), 1), { instanceOf: RpcError })?.code,
    'RESOURCE_EXHAUSTED',
  )
})
