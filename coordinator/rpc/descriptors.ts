import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSync, type PackageDefinition } from '@grpc/proto-loader'
import { invariant } from '../../common/errors.js'

/** Of users' port: everything that a client in another language may want to know about. */
const files = ['spell/v1/api.proto', 'grpc/health/v1/health.proto']

/** The .proto files as reflection shows them. Read from the package this program was installed with. */
export function loadDescriptors(): PackageDefinition {
  return loadSync(files, {
    keepCase: true,
    includeDirs: [protoFolder()],
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
