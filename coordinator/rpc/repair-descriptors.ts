import type { PackageDefinition } from '@grpc/proto-loader'
import descriptors, {
  type IDescriptorProto,
  type IFieldDescriptorProto,
  type IFileDescriptorProto,
} from 'protobufjs/ext/descriptor/index.js'

// protobufjs names the entries of maps otherwise than protoc does and forgets which fields are optional; Google's own
// libraries refuse such a file. Rules: descriptor.proto, and ValidateMapEntry in protobuf's descriptor.cc.

/** The same package with descriptors that every implementation of protobuf takes. */
export function repairDescriptors(definition: PackageDefinition): PackageDefinition {
  const repaired = new Map<Buffer, Buffer>()
  const repair = (bytes: Buffer): Buffer => {
    const known = repaired.get(bytes)
    if (known) return known
    const file = descriptors.FileDescriptorProto.decode(bytes) as unknown as IFileDescriptorProto
    for (const message of file.messageType ?? []) repairMessage(message)
    const made = Buffer.from(descriptors.FileDescriptorProto.encode(file as never).finish())
    repaired.set(bytes, made)
    return made
  }
  return Object.fromEntries(
    Object.entries(definition).map(([name, entry]) => [
      name,
      'fileDescriptorProtos' in entry && Array.isArray(entry.fileDescriptorProtos)
        ? { ...entry, fileDescriptorProtos: entry.fileDescriptorProtos.map(repair) }
        : entry,
    ]),
  ) as PackageDefinition
}

function repairMessage(message: IDescriptorProto): void {
  const fields = message.field ?? []
  for (const inner of message.nestedType ?? []) {
    repairMessage(inner)
    const field = fields.find(({ typeName }) => typeName === inner.name)
    if (!inner.options?.mapEntry || !field) continue
    inner.name = `${camelCase(field.name ?? '')}Entry`
    field.typeName = inner.name
  }
  const oneofs = message.oneofDecl ?? []
  for (const field of fields as (IFieldDescriptorProto & { proto3Optional?: boolean })[]) {
    // An optional field is alone in a oneof of its own name.
    if (field.oneofIndex !== undefined && oneofs[field.oneofIndex ?? 0]?.name === `_${field.name}`)
      field.proto3Optional = true
  }
}

const camelCase = (name: string): string =>
  name.replace(/(^|_)([a-z0-9])/g, (_, __, letter: string) => letter.toUpperCase())
