import {
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import type { PackageDefinition } from '@grpc/proto-loader'
import { invariant } from '../../common/errors.js'

type Serving = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN'
type CheckRequest = { readonly service: string }
type CheckResponse = { readonly status: Serving }

/** `grpc.health.v1`: a coordinator serves when it leads or knows who does. Every service is as well as the whole. */
export class Health {
  readonly #services: ReadonlySet<string>
  readonly #watchers = new Set<ServerWritableStream<CheckRequest, CheckResponse>>()
  #serving = false

  /** `services`: full names, such as `spell.v1.Runs`. */
  constructor(services: readonly string[]) {
    this.#services = new Set(['', ...services])
  }

  addTo(server: Server, descriptors: PackageDefinition): void {
    const definition = descriptors['grpc.health.v1.Health']
    invariant(definition, 'the health service is among the descriptors')
    server.addService(definition as ServiceDefinition, {
      Check: (call: ServerUnaryCall<CheckRequest, CheckResponse>, answer: sendUnaryData<CheckResponse>) => {
        if (this.#services.has(call.request.service))
          answer(null, { status: this.#statusOf(call.request.service) })
        else answer({ code: status.NOT_FOUND, details: `There is no service ${call.request.service}.` }, null)
      },
      Watch: (call: ServerWritableStream<CheckRequest, CheckResponse>) => {
        this.#watchers.add(call)
        call.on('cancelled', () => this.#watchers.delete(call))
        call.write({ status: this.#statusOf(call.request.service) })
      },
    })
  }

  set(serving: boolean): void {
    if (serving === this.#serving) return
    this.#serving = serving
    for (const call of this.#watchers) call.write({ status: this.#statusOf(call.request.service) })
  }

  /** Ends the streams of those who watch. */
  close(): void {
    for (const call of this.#watchers) call.end()
    this.#watchers.clear()
  }

  #statusOf(service: string): Serving {
    if (!this.#services.has(service)) return 'SERVICE_UNKNOWN'
    return this.#serving ? 'SERVING' : 'NOT_SERVING'
  }
}
