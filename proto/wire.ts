import protobuf from 'protobufjs/light.js'
import { descriptorJson } from './gen/descriptor.js'

// The .proto files as code: how each message is written to bytes and read from them, and what methods there are.
// Everything is looked up on first use, so that a command line that makes one call pays for one call.

/** How one message type travels. `Wire` is the generated `…__Output` type. */
export interface Codec<Wire> {
  /** Missing fields are written as their defaults, which take no bytes. Throws on a value of the wrong type. */
  encode(value: object): Buffer
  /** Every field is there: defaults for those that were not sent; unset messages and oneofs are null. */
  decode(bytes: Uint8Array): Wire
}

/** One RPC method, as the service descriptors have it. */
export interface Method<Request, Response> {
  /** `/spell.v1.Runs/Submit` */
  readonly path: string
  readonly service: string
  readonly name: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  readonly request: Codec<Request>
  readonly response: Codec<Response>
}

// The shape that the generated types describe: see typesOptions in ops/generate.mjs.
const conversion: protobuf.IConversionOptions = {
  longs: Number,
  enums: String,
  bytes: Buffer as unknown as StringConstructor,
  defaults: true,
  arrays: true,
  oneofs: true,
}

const root = protobuf.Root.fromJSON(JSON.parse(descriptorJson))
const codecs = new Map<string, Codec<unknown>>()

/** The codec of a message, by its short name in package spell.v1 or its whole one. */
export function codec<Wire>(messageName: string): Codec<Wire> {
  const known = codecs.get(messageName)
  if (known) return known as Codec<Wire>
  const type = root.lookupType(messageName.includes('.') ? messageName : `spell.v1.${messageName}`)
  const made: Codec<unknown> = {
    encode: (value) => type.encode(type.fromObject(value)).finish() as Buffer,
    decode: (bytes) => type.toObject(type.decode(bytes), conversion),
  }
  codecs.set(messageName, made)
  return made as Codec<Wire>
}

/** One method by service and name, such as `method('Runs', 'Submit')`. */
export function method<Request, Response>(service: string, name: string): Method<Request, Response> {
  const found = root.lookupService(`spell.v1.${service}`).methods[name]
  if (!found) throw new Error(`Invariant broken: no method ${service}/${name}`)
  return {
    path: `/spell.v1.${service}/${name}`,
    service,
    name,
    requestStream: found.requestStream ?? false,
    responseStream: found.responseStream ?? false,
    request: codec<Request>(found.requestType.replace(/^.*\./, '')),
    response: codec<Response>(found.responseType.replace(/^.*\./, '')),
  }
}

/** Every method of every service of package spell.v1. */
export function allMethods(): readonly Method<unknown, unknown>[] {
  const namespace = root.lookup('spell.v1') as protobuf.Namespace
  return namespace.nestedArray
    .filter((item): item is protobuf.Service => item instanceof protobuf.Service)
    .flatMap((service) =>
      Object.keys(service.methods).map((name) => method<unknown, unknown>(service.name, name)),
    )
}
