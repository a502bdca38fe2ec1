// Makes proto/gen from the .proto files: the descriptor as a module (parsed once here, not at every start of a
// program) and the TypeScript types of every message as they look on the wire side of the border.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const protoDir = join(root, 'proto')
const outDir = join(protoDir, 'gen')
const files = ['spell/v1', 'google/rpc'].flatMap((folder) =>
  readdirSync(join(protoDir, folder))
    .filter((name) => name.endsWith('.proto'))
    .map((name) => `${folder}/${name}`),
)

// The same input makes the same files: nothing is touched then, so that whoever compiles meanwhile finds them there.
const stampFile = join(outDir, 'stamp')
const stamp = stampOf([
  ...files.map((file) => join(protoDir, file)),
  fileURLToPath(import.meta.url),
  join(root, 'package-lock.json'),
])
if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) process.exit(0)

rmSync(outDir, { recursive: true, force: true })
mkdirSync(outDir, { recursive: true })

const descriptor = new protobuf.Root()
descriptor.resolvePath = (_origin, target) => join(protoDir, target)
descriptor.loadSync(files, { keepCase: false }).resolveAll()
const json = JSON.stringify(descriptor.toJSON({ keepComments: false }))
// As one string: JSON.parse reads it several times faster than the same thing written as an object literal.
writeFileSync(
  join(outDir, 'descriptor.ts'),
  `export const descriptorJson: string = ${JSON.stringify(json)}\n`,
)

const typesOptions = [
  '--longs=Number',
  '--enums=String',
  '--defaults',
  '--arrays',
  '--oneofs',
  '--importFileExtension=.js',
]
const generator = join(root, 'node_modules/@grpc/proto-loader/build/bin/proto-loader-gen-types.js')
execFileSync(
  process.execPath,
  [generator, ...files, ...typesOptions, `--outDir=${outDir}`, '--includeDirs=.'],
  { cwd: protoDir, stdio: ['ignore', 'ignore', 'inherit'] },
)
writeFileSync(stampFile, stamp)

function stampOf(paths) {
  const hash = createHash('sha256')
  for (const path of paths) hash.update(readFileSync(path))
  return hash.digest('hex')
}
