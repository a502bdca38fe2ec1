import test from 'ava'
import protobuf from 'protobufjs/light.js'
import { refusal, violation } from '../../../coordinator/rpc/rule.js'
import { validity } from '../../../coordinator/rpc/submit-rules.js'
import { descriptorJson } from '../../../proto/gen/descriptor.js'
import { notYet } from '../../../proto/model/not-yet.js'
import type { Environment, RunSpec } from '../../../proto/model/run-spec.js'
import { capabilityMachine, fullSpec, plainSpec } from '../../fixtures/full-spec.js'

const accepted = test.macro({
  exec(t, change: Partial<RunSpec>) {
    t.is(violation(validity, { ...plainSpec, ...change }), undefined)
  },
  title: (title) => `taken: ${title ?? ''}`,
})

const refused = test.macro({
  exec(t, change: Partial<RunSpec>, sentence: RegExp) {
    t.regex(violation(validity, { ...plainSpec, ...change })?.reason ?? 'nothing was refused', sentence)
  },
  title: (title) => `refused: ${title ?? ''}`,
})

const synced = fullSpec.code as Extract<RunSpec['code'], { kind: 'synced' }>
const within = (environment: Partial<Environment>): Partial<RunSpec> => ({
  environment: { ...plainSpec.environment, ...environment },
})
const limits = (change: Partial<RunSpec['limits']>): Partial<RunSpec> => ({
  limits: { ...plainSpec.limits, ...change },
})
const term = { metric: 'loss', operator: '<' as const, value: 1, minimumIndex: 0 }

test('a command of 65,535 bytes', accepted, { command: 'x'.repeat(65_535) })
test('a command of several lines', accepted, { command: 'echo a\necho b' })
test('a command of one byte more', refused, { command: 'x'.repeat(65_536) }, /65536 bytes; it may have 65535/)
test(
  'a command whose bytes are more than its characters',
  refused,
  { command: 'ü'.repeat(40_000) },
  /80000 bytes/,
)
test('an empty command', refused, { command: ' \n' }, /command is empty/)
test('a NUL in the command', refused, { command: 'a\0b' }, /NUL/)

test('a label of 128 characters', accepted, { labels: ['✨'.repeat(128)] })
test('a label of 129', refused, { labels: ['a'.repeat(129)] }, /longer than 128/)
test('an empty label', refused, { labels: ['a', ''] }, /label is empty/)
for (const character of ['\n', '\u001b', '\u007f', '\u0085', '\0'])
  test(
    `a label with ${JSON.stringify(character)}`,
    refused,
    { labels: [`a${character}b`] },
    /control character/,
  )
test('too many labels', refused, { labels: Array(101).fill('a') }, /101 labels; at most 100/)

test('any usual variable', accepted, {
  env: [
    { name: 'CUDA_VISIBLE_DEVICES', value: '1' },
    { name: '_a1', value: 'x\ny' },
  ],
})
for (const name of ['', '1A', 'A-B', 'A B', 'Ä', 'A=B'])
  test(
    `the variable ${JSON.stringify(name)}`,
    refused,
    { env: [{ name, value: '' }] },
    /no name of an environment variable/,
  )
for (const name of ['NVIDIA_VISIBLE_DEVICES', 'nvidia_driver_capabilities'])
  test(`the variable ${name}`, refused, { env: [{ name, value: 'all' }] }, /NVIDIA_ say which GPUs/)
test('a NUL in a variable', refused, { env: [{ name: 'A', value: '\0' }] }, /NUL/)
test(
  'a variable of 128 KiB',
  refused,
  { env: [{ name: 'A', value: 'x'.repeat(131_072) }] },
  /longer than 131071/,
)
test(
  'variables of 300 KB',
  refused,
  { env: Array.from({ length: 30 }, (_, at) => ({ name: `A${at}`, value: 'x'.repeat(10_000) })) },
  /together/,
)

for (const dockerImage of [
  'debian',
  'debian:12',
  'a/b:c',
  'ghcr.io/a/b/c:1.2',
  'localhost:5000/x',
  `x@sha256:${'0'.repeat(64)}`,
])
  test(`the image ${dockerImage}`, accepted, within({ dockerImage }))
for (const dockerImage of ['Debian', '-x', 'a b', 'a//b', 'a:', ':a', 'x;y', 'a'.repeat(600), 'http://a/b'])
  test(`the image ${dockerImage.slice(0, 20)}`, refused, within({ dockerImage }), /--from takes/)
test('a framework that is not there', refused, within({ framework: 'caffe' }), /there are default/)
test(
  'two bases',
  refused,
  within({ framework: 'pytorch', dockerImage: 'debian' }),
  /Only one of the following/,
)
test(
  'pip beside conda',
  refused,
  within({ condaFile: { name: 'e.yml', contentBase64: '' }, pipPackages: ['a'] }),
  /--pip or --pip-req cannot/,
)

for (const name of ['torch', 'torch==1.5.0', 'cudatoolkit>=9.0', 'a[b]>=1,<2', 'https://x/y.whl'])
  test(`--pip ${name}`, accepted, within({ pipPackages: [name] }))
for (const name of ['', '-r evil', '--index-url=x', 'a\nb', 'file:///etc/passwd'.replace('file', '-file')])
  test(`--pip ${JSON.stringify(name)}`, refused, within({ pipPackages: [name] }), /--pip can't take/)
for (const name of ['ffmpeg', 'libc6=2.31-1', 'g++', 'libx:amd64', 'a>=1.2', 'a < 3'])
  test(`--apt ${name}`, accepted, within({ aptPackages: [name] }))
for (const name of ['', '-o', 'A', 'a b', 'a;b'])
  test(`--apt ${JSON.stringify(name)}`, refused, within({ aptPackages: [name] }), /--apt can't take/)
test(
  'a requirements file of 2 MiB',
  refused,
  within({ pipRequirements: [{ name: 'r', contentBase64: Buffer.alloc(2_000_000).toString('base64') }] }),
  /larger than/,
)

test('a mount', accepted, {
  mounts: [
    { resource: 's3://b/data', path: 'data' },
    { resource: 's3://b/data', path: '/mnt/x' },
  ],
})
for (const mount of [
  { resource: '', path: 'a' },
  { resource: 'a', path: '' },
  { resource: 'a', path: '../b' },
  { resource: 'a', path: 'b\nc' },
])
  test(`the mount ${JSON.stringify(mount)}`, refused, { mounts: [mount] }, /Incorrect formatting of mount/)

test('synced code', accepted, { code: synced })
for (const repositoryName of ['', '.', '..', 'a/b', 'a\nb'])
  test(
    `the repository ${JSON.stringify(repositoryName)}`,
    refused,
    { code: { ...synced, repositoryName } },
    /repository/,
  )
for (const workingDirectory of ['/etc', '../x', 'a/../../b', 'a\0'])
  test(
    `the working directory ${JSON.stringify(workingDirectory)}`,
    refused,
    { code: { ...synced, workingDirectory } },
    /working directory/,
  )
for (const change of [{ commitHash: 'HEAD' }, { treeHash: 'A'.repeat(40) }, { packSha256: '' }])
  test(`the hash ${JSON.stringify(change)}`, refused, { code: { ...synced, ...change } }, /named by/)

for (const url of [
  'https://github.com/a/b.git',
  'http://host/x',
  'ssh://git@host/x',
  'git@github.com:a/b.git',
])
  test(`--github-url ${url}`, accepted, { code: { kind: 'git', url, ref: '' } })
for (const url of ['file:///etc', '/srv/git', 'git://host/x', '../x', 'ext::sh -c x', 'https://-x', '-u', ''])
  test(`--github-url ${url}`, refused, { code: { kind: 'git', url, ref: '' } }, /--github-url takes/)
test(
  'a ref that is an option',
  refused,
  { code: { kind: 'git', url: 'https://a/b', ref: '--upload-pack=x' } },
  /--github-ref/,
)

test('stop conditions', accepted, { stopConditions: [[term, term], [term]] })
test('a stop condition without terms', refused, { stopConditions: [[]] }, /no terms/)
test(
  'a stop condition on nothing',
  refused,
  { stopConditions: [[{ ...term, metric: ' ' }]] },
  /names a metric/,
)
test(
  'a stop condition with NaN',
  refused,
  { stopConditions: [[{ ...term, value: Number.NaN }]] },
  /no number/,
)

test('limits', accepted, limits({ timeoutMs: 129_600_000, graceMs: 1 }))
test('a grace of two days', refused, limits({ graceMs: 172_800_000 }), /at most a day/)
test('a timeout of centuries', refused, limits({ timeoutMs: 10 ** 14 }), /ten years/)

test('a description with a tab', accepted, { description: 'a\tb' })
test('a description with an escape', refused, { description: '\u001b[31m' }, /control character/)
test('a project of blanks', refused, { project: ' ' }, /project is empty/)
test('a capability', accepted, { machine: capabilityMachine })
test(
  'a capability below zero',
  refused,
  { machine: { ...(capabilityMachine as object), cpus: -1 } as RunSpec['machine'] },
  /from 0 on/,
)

const laterOptions: readonly (readonly [Partial<RunSpec>, RegExp])[] = [
  [{ mounts: fullSpec.mounts }, /^--mount is not available yet\.$/],
  [within({ pipPackages: ['a'] }), /^--pip is/],
  [within({ pipRequirements: fullSpec.environment.pipRequirements }), /^--pip-req is/],
  [within({ aptPackages: ['a'] }), /^--apt is/],
  [within({ condaFile: { name: 'a', contentBase64: '' } }), /^--conda-file is/],
  [within({ framework: 'pytorch' }), /^--framework is/],
  [within({ rebuild: true }), /^--rebuild is/],
  [{ code: { kind: 'git', url: 'https://a/b', ref: '' } }, /^--github-url is/],
  [{ stopConditions: [[term]] }, /^--stop-condition is/],
  [{ nodeCount: 2 }, /^--distributed is/],
  [{ tensorboardDir: 'x' }, /^--tensorboard-dir is/],
  [{ idempotent: true }, /^--idempotent is/],
  [{ kind: 'workspace' }, /workspace/],
  [{ kind: 'tensorboard' }, /TensorBoard/],
  [{ resumeFrom: 1 }, /Resuming/],
  [{ machine: capabilityMachine }, /by what it has/],
  [{ hyperparameters: { a: '1' } }, /hyperparameter/],
]

test('what has no machinery yet is refused by its name', (t) => {
  for (const [change, sentence] of laterOptions)
    t.regex(refusal(notYet, { ...plainSpec, ...change }) ?? '', sentence)
  t.is(laterOptions.length, notYet.length)
})

test('what has its machinery is not', (t) => {
  const spec: RunSpec = {
    ...plainSpec,
    code: synced,
    env: fullSpec.env,
    labels: fullSpec.labels,
    project: 'p',
    limits: { timeoutMs: 1, graceMs: 1, autoResume: 'on', diskBytes: 1 },
    environment: { ...plainSpec.environment, dockerImage: 'debian' },
  }
  t.is(refusal(notYet, spec), undefined)
  t.is(violation(validity, spec), undefined)
})

test('every rule names a field that the .proto files have', (t) => {
  const request = protobuf.Root.fromJSON(JSON.parse(descriptorJson))
    .resolveAll()
    .lookup('spell.v1.SubmitRequest')
  for (const [path] of validity) {
    let type: unknown = request
    for (const name of path.split('.')) {
      const field = type instanceof protobuf.Type ? type.fields[camelCase(name)] : undefined
      t.truthy(field, path)
      type = field?.resolvedType
    }
  }
})

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
