import test from 'ava'
import fc from 'fast-check'
import { bytesFromName, nameFromBytes, printableName } from '../../../node-agent/outputs/names.js'
import { nameOutputs } from '../../../node-agent/outputs/output-names.js'

const names = test.macro<[string | undefined, Readonly<Record<string, string>>, number]>({
  exec(t, repositoryName, expected, lineCount) {
    const { named, lines } = nameOutputs(Object.keys(expected), repositoryName)
    t.deepEqual(Object.fromEntries(named.map(({ path, savedAs }) => [path, savedAs])), expected)
    t.is(lines.length, lineCount)
  },
  title: (name) => name ?? '',
})

test('without a repository paths are relative to /spell', names, undefined, { a: 'a', 'r/b': 'r/b' }, 0)
test(
  "the repository's are relative to its root, others to /spell",
  names,
  'r',
  { 'r/a': 'a', 'r/d/b': 'd/b', out: 'out', 'rr/x': 'rr/x' },
  0,
)
test(
  "where two would get one name the repository's keeps it",
  names,
  'r',
  { out: 'spell/out', 'r/out': 'out' },
  1,
)
test('a folder in both is one folder', names, 'r', { 'd/a': 'd/a', 'r/d/b': 'd/b' }, 0)
test('a file where the repository has a folder goes aside', names, 'r', { d: 'spell/d', 'r/d/b': 'd/b' }, 1)
test(
  'a file in a folder where the repository has a file goes aside',
  names,
  'r',
  { 'd/b': 'spell/d/b', 'r/d': 'd' },
  1,
)
test('aside may be taken too', names, 'r', { a: 'spell-2/a', 'r/a': 'a', 'r/spell/a': 'spell/a' }, 1)
test(
  'aside may be a file',
  names,
  'r',
  { a: 'spell-3/a', b: 'spell-3/b', 'r/a': 'a', 'r/b': 'b', 'r/spell': 'spell', 'r/spell-2': 'spell-2' },
  2,
)
test('a name that is not UTF-8 is written with percent signs', names, undefined, { 'a\udcff': 'a%FF' }, 1)
test('a real name goes before one made up', names, undefined, { 'a\udcff': 'spell/a%FF', 'a%FF': 'a%FF' }, 2)

test('no two outputs ever get one name, and none needs a file to be a folder', (t) => {
  const path = fc
    .array(fc.constantFrom('a', 'b', 'r', 'spell'), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join('/'))
  fc.assert(
    fc.property(fc.uniqueArray(path, { maxLength: 15 }), (all) => {
      const onDisk = all.filter((one) => !all.some((other) => other.startsWith(`${one}/`)))
      const { named } = nameOutputs(onDisk, 'r')
      const saved = named.map(({ savedAs }) => savedAs)
      t.is(new Set(saved).size, onDisk.length)
      t.false(saved.some((one) => saved.some((other) => other.startsWith(`${one}/`))))
      for (const { path: from, savedAs } of named) if (from.startsWith('r/')) t.is(savedAs, from.slice(2))
    }),
    { numRuns: 100 },
  )
})

test('every name a file can have goes through a string and back, and prints as Unicode', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), (bytes) => {
      const name = nameFromBytes(Buffer.from(bytes))
      t.deepEqual(Buffer.from(bytesFromName(name)), Buffer.from(bytes))
      t.false(/\p{Surrogate}/u.test(printableName(name)))
    }),
    { numRuns: 200 },
  )
})
