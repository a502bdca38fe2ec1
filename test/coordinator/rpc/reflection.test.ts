import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Client, credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import test from 'ava'
import { loadDescriptors } from '../../../coordinator/rpc/descriptors.js'
import type { Leading } from '../../../coordinator/rpc/leading.js'
import { testAuthority } from './certificates.js'
import { startToy, toyLeader } from './toy.js'

const protos = join(
  dirname(fileURLToPath(import.meta.resolve('@grpc/reflection'))),
  '../proto/grpc/reflection/v1/reflection.proto',
)

function open<Kind>(definition: unknown, address: string, ca: string): Client & Kind {
  const Service = definition as ServiceClientConstructor
  return new Service(address, credentials.createSsl(Buffer.from(ca)), {
    'grpc.ssl_target_name_override': 'localhost',
  }) as unknown as Client & Kind
}

interface ReflectionClient {
  ServerReflectionInfo(): import('@grpc/grpc-js').ClientDuplexStream<
    object,
    Record<string, Record<string, unknown[]>>
  >
}

test('reflection names the services and gives their files without a token', async (t) => {
  const authority = await testAuthority()
  const toy = await startToy(authority, () => ({ kind: 'nobody' }))
  t.teardown(toy.close)
  const definition = loadSync(protos, { defaults: false })['grpc.reflection.v1.ServerReflection']
  const services = loadPackageDefinition({ ServerReflection: definition ?? {} }) as Record<string, unknown>
  const client = open<ReflectionClient>(services.ServerReflection, toy.address, authority.ca)
  t.teardown(() => client.close())
  const call = client.ServerReflectionInfo()
  call.write({ listServices: '' })
  call.write({ fileContainingSymbol: 'spell.v1.Runs' })
  call.end()
  const answers: Record<string, Record<string, unknown[]>>[] = []
  for await (const answer of call) answers.push(answer)
  const names = ((answers[0]?.listServicesResponse?.service ?? []) as { name: string }[]).map(
    ({ name }) => name,
  )
  for (const name of ['Runs', 'Projects', 'Files', 'Account', 'Cluster'])
    t.true(names.includes(`spell.v1.${name}`))
  t.true((answers[1]?.fileDescriptorResponse?.fileDescriptorProto?.length ?? 0) >= 1)
})

type Check = (
  request: { service: string },
  answer: (error: Error | null, value: { status: string }) => void,
) => void

test('a coordinator serves while it knows a leader', async (t) => {
  const authority = await testAuthority()
  const toy = await startToy(authority, (): Leading => ({ kind: 'here', leader: toyLeader }))
  t.teardown(toy.close)
  const services = loadPackageDefinition({
    health: loadDescriptors()['grpc.health.v1.Health'] ?? {},
  }) as Record<string, unknown>
  const client = open<{ Check: Check; Watch(request: object): AsyncIterable<{ status: string }> }>(
    services.health,
    toy.address,
    authority.ca,
  )
  t.teardown(() => client.close())
  const check = (service: string) =>
    new Promise<string>((resolve, reject) => {
      client.Check({ service }, (error, value) => (error ? reject(error) : resolve(value.status)))
    })
  t.is(await check(''), 'NOT_SERVING')
  toy.endpoint.health.set(true)
  t.is(await check(''), 'SERVING')
  t.is(await check('spell.v1.Runs'), 'SERVING')
  await t.throwsAsync(check('spell.v1.Nothing'), { message: /no service/ })
  const seen: string[] = []
  for await (const { status } of client.Watch({ service: '' })) {
    seen.push(status)
    if (seen.length === 1) toy.endpoint.health.set(false)
    else break
  }
  t.deepEqual(seen, ['SERVING', 'NOT_SERVING'])
})
