import test from 'ava'
import { RpcError, type StatusName } from '../../common/errors.js'
import {
  outputsPrefix,
  parseResourcePath,
  type ResourcePath,
  requestedObjectName,
} from '../../spellfs/paths.js'

const reads = test.macro<[string, ResourcePath]>({
  exec(t, text, expected) {
    t.deepEqual(parseResourcePath(text), expected)
  },
  title: (_, text) => `reads ${JSON.stringify(text)}`,
})

const refuses = test.macro<[string, StatusName]>({
  exec(t, text, code) {
    t.is(t.throws(() => parseResourcePath(text), { instanceOf: RpcError })?.code, code)
  },
  title: (_, text, code) => `refuses ${JSON.stringify(text.slice(0, 40))} as ${code}`,
})

test(reads, '', { kind: 'heads' })
test(reads, 'runs', { kind: 'runs' })
test(reads, 'runs/', { kind: 'runs' })
test(reads, 'runs/7', { kind: 'run', runId: 7, path: '' })
test(reads, 'runs/7//model/', { kind: 'run', runId: 7, path: 'model' })
test(reads, 'resources/runs/7/a b/ü', { kind: 'run', runId: 7, path: 'a b/ü' })
test(reads, 'uploads/', { kind: 'uploads' })
test(reads, 'uploads/data/x', { kind: 'upload', name: 'data', path: 'x' })
test(reads, 'public/audio/css10', { kind: 'public', path: 'audio/css10' })

test(refuses, '/runs/7', 'INVALID_ARGUMENT')
test(refuses, 'runs/7/../8', 'INVALID_ARGUMENT')
test(refuses, 'runs/7/./x', 'INVALID_ARGUMENT')
test(refuses, 'runs/7/a\0b', 'INVALID_ARGUMENT')
test(refuses, 'runs/7/\ud800', 'INVALID_ARGUMENT')
test(refuses, `runs/7/${'x'.repeat(256)}`, 'INVALID_ARGUMENT')
test(refuses, `runs/7/${'x/'.repeat(2000)}`, 'INVALID_ARGUMENT')
test(refuses, 'runs/07', 'NOT_FOUND')
test(refuses, 'runs/7.2/x', 'NOT_FOUND')
test(refuses, 'runs/x', 'NOT_FOUND')
test(refuses, 'elsewhere/x', 'NOT_FOUND')

test('the first attempt saves under the name that users see, later ones beside it', (t) => {
  t.is(outputsPrefix(7, 1), 'runs/7')
  t.is(outputsPrefix(7, 2), 'runs/7.2')
})

test('an object is asked for by its hash and by nothing else', (t) => {
  const hash = 'ab'.repeat(32)
  t.is(requestedObjectName(`code/${hash}`), `.spell/objects/code/${hash}`)
  for (const name of [
    '',
    'code/',
    `code/${hash}/x`,
    `code/../${hash}`,
    `CODE/${hash}`,
    `code/${hash.toUpperCase()}`,
  ])
    t.throws(() => requestedObjectName(name), { instanceOf: RpcError })
})
