import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSync, type PackageDefinition } from '@grpc/proto-loader'
import { invariant } from '../../common/errors.js'

/** Of what a client in another language has no use for. */
const internal: ReadonlySet<string> = new Set(['agent.proto', 'store.proto'])

/** The .proto files as reflection shows them. Read from the package this program was installed with. */
export function loadDescriptors(): PackageDefinition {
  const folder = protoFolder()
  const ours = readdirSync(join(folder, 'spell/v1')).filter((name) => !internal.has(name))
  const files = [...ours.map((name) => `spell/v1/${name}`), 'grpc/health/v1/health.proto']
  return loadSync(files, {
    keepCase: true,
    includeDirs: [folder],
    longs: Number,
    enums: String,
    defaults: true,
  })
}

/** `proto` of the package: beside the compiled files or above them. */
function protoFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    if (existsSync(join(folder, 'proto', 'spell/v1/api.proto'))) return join(folder, 'proto')
    const parent = dirname(folder)
    invariant(parent !== folder, 'the .proto files are part of the package')
    folder = parent
  }
}
