import { createHash, randomUUID } from 'node:crypto'
import anyTest, { type TestFn } from 'ava'
import { RpcError } from '../../../common/errors.js'
import type { Channel } from '../../../proto/channel.js'
import { outputPartToWire } from '../../../proto/convert/files.js'
import { runSpecFromWire, runSpecToWire } from '../../../proto/convert/run-spec.js'
import type { FilePart__Output } from '../../../proto/gen/spell/v1/FilePart.js'
import type { HasObjectResponse__Output } from '../../../proto/gen/spell/v1/HasObjectResponse.js'
import type { ListFilesResponse__Output } from '../../../proto/gen/spell/v1/ListFilesResponse.js'
import type { ObjectChunk__Output } from '../../../proto/gen/spell/v1/ObjectChunk.js'
import type { OutputsStored__Output } from '../../../proto/gen/spell/v1/OutputsStored.js'
import type { Run__Output } from '../../../proto/gen/spell/v1/Run.js'
import type { SubmitResponse__Output } from '../../../proto/gen/spell/v1/SubmitResponse.js'
import type { RunSpec } from '../../../proto/model/run-spec.js'
import { type Method, method } from '../../../proto/wire.js'
import { encodeManifest, sha256Hex } from '../../../spellfs/manifest.js'
import { type ClusterFixture, startCluster } from '../../fixtures/coordinator.js'
import { fullSpec, plainSpec } from '../../fixtures/full-spec.js'
import { HandNode } from '../../fixtures/hand-node.js'
import { untilLed } from './until-led.js'

interface Context {
  readonly cluster: ClusterFixture
  readonly users: Channel
  readonly nodes: Channel
  readonly node: HandNode
}
const test = anyTest as TestFn<Context>

const submit: Method<unknown, SubmitResponse__Output> = method('Runs', 'Submit')
const get: Method<unknown, Run__Output> = method('Runs', 'Get')
const putOutputs: Method<unknown, OutputsStored__Output> = method('Agents', 'PutOutputs')
const readObject: Method<unknown, ObjectChunk__Output> = method('Agents', 'ReadObject')
const putObject: Method<unknown, HasObjectResponse__Output> = method('Files', 'PutObject')
const listFiles: Method<unknown, ListFilesResponse__Output> = method('Files', 'List')
const readFiles: Method<unknown, FilePart__Output> = method('Files', 'Read')

const gpu = (uuid: string) => ({
  uuid,
  model: 'Tesla V100-SXM2-32GB',
  memoryBytes: 32 * 1024 ** 3,
  unusableReason: '',
  parentUuid: '',
})

test.before(async (t) => {
  const cluster = await startCluster({ notYet: [] })
  const users = cluster.users()
  await untilLed(users)
  const nodes = await cluster.nodes('n1')
  const node = await HandNode.start(nodes, {
    nodeId: 'n1',
    inventory: { gpus: ['GPU-1', 'GPU-2', 'GPU-3', 'GPU-4'].map(gpu) },
  })
  t.context = { cluster, users, nodes, node }
})
test.after.always(async (t) => {
  t.context.node?.cancel()
  await t.context.cluster?.stop()
})

const pack = Buffer.from('a pack')
const packSha256 = createHash('sha256').update(pack).digest('hex')
const withPack = (spec: RunSpec): RunSpec =>
  spec.code.kind === 'synced' ? { ...spec, code: { ...spec.code, packSha256 } } : spec

async function putPack({ users }: Context): Promise<void> {
  const upload = await users.clientStream(putObject)
  await upload.write({ name: `code/${packSha256}`, data: pack })
  await upload.finish()
}

async function begin({ users, node }: Context, spec: RunSpec = plainSpec) {
  const { runId } = await users.call(submit, { requestId: randomUUID(), spec: runSpecToWire(spec) })
  const assignment = await node.started()
  return { runId, id: assignment.id, assignment }
}

// A gang has no machinery in the leader yet, and of --framework, --from and --conda-file a run may name one.
const { environment } = fullSpec
const full = { ...fullSpec, nodeCount: 1 }
const variants: readonly (readonly [string, RunSpec])[] = [
  ['a framework', { ...full, environment: { ...environment, dockerImage: undefined, condaFile: undefined } }],
  ['an image', { ...full, environment: { ...environment, framework: undefined, condaFile: undefined } }],
  [
    'a conda file',
    {
      ...full,
      code: { kind: 'git', url: 'https://github.com/a/b.git', ref: 'main' },
      environment: {
        ...environment,
        framework: undefined,
        dockerImage: undefined,
        pipPackages: [],
        pipRequirements: [],
      },
    },
  ],
]

test.serial('a run whose code has not been sent is refused', async (t) => {
  const request = { requestId: randomUUID(), spec: runSpecToWire({ ...plainSpec, code: fullSpec.code }) }
  const error = await t.throwsAsync(t.context.users.call(submit, request), { instanceOf: RpcError })
  t.is(error?.code, 'FAILED_PRECONDITION')
  t.regex(error?.message ?? '', /PutObject/)
})

for (const [name, given] of variants)
  test.serial(
    `a spec with every field and ${name} goes through submit and etcd to the node and back`,
    async (t) => {
      const spec = withPack(given)
      await putPack(t.context)
      const { runId, id, assignment } = await begin(t.context, spec)
      t.deepEqual(assignment.spec, spec)
      const shown = await t.context.users.call(get, { runId, showEnv: true })
      t.deepEqual(shown.spec && runSpecFromWire(shown.spec), spec)
      const hidden = await t.context.users.call(get, { runId })
      t.deepEqual(
        hidden.spec?.env,
        spec.env.map((variable) => ({ name: variable.name, value: '' })),
      )
      await t.context.node.reached(id, 'building', 'running')
      await t.context.node.ended(id, 0)
      await t.context.node.finished(id)
    },
  )

test.serial('outputs are seen once the run is saved, and read as they were sent', async (t) => {
  const { users, nodes, node } = t.context
  const { runId, id } = await begin(t.context)
  await node.reached(id, 'building', 'running')
  const model = Buffer.alloc(3_000_000, 'model')
  const manifest = encodeManifest([
    {
      path: 'out/model',
      kind: 'file',
      sizeBytes: model.length,
      mode: 0o644,
      modifiedAtMs: 5,
      sha256: sha256Hex(model),
    },
  ])
  const upload = await nodes.clientStream(putOutputs)
  const file = { path: 'out/model', mode: 0o644, modifiedAtMs: 5, sizeBytes: model.length }
  const none = new Uint8Array()
  await upload.write({ id, ...outputPartToWire({ file, data: none, manifest: none }) })
  for (let at = 0; at < model.length; at += 1_000_000)
    await upload.write(
      outputPartToWire({ file: undefined, data: model.subarray(at, at + 1_000_000), manifest: none }),
    )
  await upload.write(outputPartToWire({ file: undefined, data: none, manifest }))
  const { manifestSha256 } = await upload.finish()
  t.is(manifestSha256, sha256Hex(manifest))
  t.deepEqual((await users.call(listFiles, { path: `runs/${runId}` })).entries, [])
  await node.ended(id, 0)
  await node.report(id, { kind: 'saved', manifestSha256, files: 1, totalBytes: model.length })
  await node.report(id, { kind: 'finished' })
  const { entries } = await users.call(listFiles, { path: `runs/${runId}`, recursive: true })
  t.deepEqual(
    entries.map(({ path, sizeBytes }) => [path, sizeBytes]),
    [[`runs/${runId}/out/model`, model.length]],
  )
  const pieces: Buffer[] = []
  for await (const { data } of users.serverStream(readFiles, { path: `runs/${runId}/out/model` }))
    pieces.push(data)
  t.true(Buffer.concat(pieces).equals(model))
})

test.serial('a node reads the code of its own runs and nothing else', async (t) => {
  const { users, nodes, node, cluster } = t.context
  const name = `code/${packSha256}`
  await putPack(t.context)
  t.true(
    (await users.call<unknown, HasObjectResponse__Output>(method('Files', 'HasObject'), { name })).present,
  )
  const { id } = await begin(t.context, withPack({ ...plainSpec, code: fullSpec.code }))
  const read = async (channel: Channel, request: object) => {
    let text = ''
    for await (const { data } of channel.serverStream(readObject, request)) text += data.toString()
    return text
  }
  t.is(await read(nodes, { id, name }), 'a pack')
  const refused = async (channel: Channel, request: object) =>
    (await t.throwsAsync(read(channel, request), { instanceOf: RpcError }))?.code
  t.is(await refused(nodes, { id, name: `code/${'0'.repeat(64)}` }), 'PERMISSION_DENIED')
  t.is(await refused(await cluster.nodes('n2'), { id, name }), 'FAILED_PRECONDITION')
  t.is(await refused(nodes, { name }), 'INVALID_ARGUMENT')
  await node.reached(id, 'building', 'running')
  await node.ended(id, 0)
  await node.finished(id)
})

test.serial("a certificate that is no node's is refused, and none at all even earlier", async (t) => {
  const { cluster } = t.context
  const { certificatePem, keyPem } = await cluster.certificate('coordinator:c9')
  const stranger = await cluster.nodes('x', {
    tls: { ca: cluster.ca, certificate: certificatePem, key: keyPem },
  })
  const attempt = (channel: Channel) => HandNode.start(channel, { nodeId: 'x' })
  const error = await t.throwsAsync(attempt(stranger))
  t.truthy(error)
  const bare = await cluster.nodes('x', { tls: { ca: cluster.ca } })
  const call = bare.serverStream(readObject, {}).next()
  const nobody = await t.throwsAsync(call, { instanceOf: RpcError })
  t.is(nobody?.code, 'UNAVAILABLE')
  const denied = await t.throwsAsync(stranger.serverStream(readObject, {}).next(), { instanceOf: RpcError })
  t.is(denied?.code, 'PERMISSION_DENIED')
})

test.serial('a hello that names another node than the certificate is refused', async (t) => {
  const channel = await t.context.cluster.nodes('n7')
  const error = await t.throwsAsync(HandNode.start(channel, { nodeId: 'n8' }))
  t.regex(error?.message ?? '', /n7/)
})

test.serial('a run without an image is refused while a docker node has no default one', async (t) => {
  const { cluster, users } = t.context
  const docker = await HandNode.start(await cluster.nodes('d1'), {
    nodeId: 'd1',
    inventory: { runtime: 'docker', cpus: 0.1 },
  })
  t.teardown(docker.cancel)
  // What was believed of the image before is believed for a second.
  let error: unknown
  while (!error)
    error = await users.call(submit, { requestId: randomUUID(), spec: runSpecToWire(plainSpec) }).then(
      () => undefined,
      (reason: unknown) => reason,
    )
  t.true(error instanceof RpcError && error.code === 'FAILED_PRECONDITION')
  t.regex(String(error), /spell cluster set default-image IMAGE/)
  await users.call(method('Cluster', 'Set'), { name: 'default-image', value: 'debian:12' })
  await t.notThrowsAsync(users.call(submit, { requestId: randomUUID(), spec: runSpecToWire(plainSpec) }))
  const odd = users.call(method('Cluster', 'Set'), { name: 'no-such-setting', value: 'x' })
  t.is((await t.throwsAsync(odd, { instanceOf: RpcError }))?.code, 'INVALID_ARGUMENT')
})

test.serial('metrics and health are served in plain HTTP', async (t) => {
  const address = t.context.cluster.coordinators[0]?.metricsAddress
  const text = await (await fetch(`http://${address}/metrics`)).text()
  t.regex(text, /^spell_leader 1$/m)
  t.regex(text, /^spell_runs\{state="complete"\} \d+$/m)
  t.regex(text, /^spell_rpc_seconds_count\{method="Runs\/Submit",status="OK"\} \d+$/m)
  t.regex(text, /^spell_commits_total [1-9]\d*$/m)
  t.regex(text, /^spell_store_errors_total\{store="etcd"\} 0$/m)
  t.regex(text, /^spell_heartbeat_age_seconds\{node="n1"\} /m)
  const health = await fetch(`http://${address}/healthz`)
  t.is(health.status, 200)
  t.is((await fetch(`http://${address}/elsewhere`)).status, 404)
})
