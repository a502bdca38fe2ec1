import { RpcError } from '../../common/errors.js'
import type { MachineTypeName__Output } from '../../proto/gen/spell/v1/MachineTypeName.js'
import type { MadeMachineType__Output } from '../../proto/gen/spell/v1/MadeMachineType.js'
import type { ScaleMachineTypeRequest__Output } from '../../proto/gen/spell/v1/ScaleMachineTypeRequest.js'
import type { MadeType } from '../core/made-types.js'
import { type Handlers, unary } from './call.js'
import { typeRefusal } from './type-rules.js'
import type { UserCall } from './user-call.js'

export const typeAdminHandlers: Handlers<UserCall> = {
  'MachineTypes/Add': unary<MadeMachineType__Output, UserCall>(async (wire, { leader, user }) => {
    const refusal = typeRefusal(wire)
    if (refusal !== undefined) throw new RpcError('INVALID_ARGUMENT', refusal)
    return typeToWire(await leader.typeAdmin.add(user, typeFromWire(wire)))
  }),
  'MachineTypes/List': unary<unknown, UserCall>(async (_, { leader }) => ({
    types: (await leader.typeAdmin.list()).map(typeToWire),
  })),
  'MachineTypes/Scale': unary<ScaleMachineTypeRequest__Output, UserCall>(
    async ({ name, limit }, { leader }) => typeToWire(await leader.typeAdmin.scale(name, limit)),
  ),
  'MachineTypes/Delete': unary<MachineTypeName__Output, UserCall>(async ({ name }, { leader }) =>
    typeToWire(await leader.typeAdmin.delete(name)),
  ),
}

function typeFromWire(wire: MadeMachineType__Output): Omit<MadeType, 'by' | 'createdAtMs'> {
  const { name, gpuModel, gpuCount, memoryBytes, storageBytes, limit, spot, defaultAutoResume } = wire
  return {
    ...{ name, gpuModel, memoryBytes, storageBytes, limit, spot, defaultAutoResume },
    gpuCount: gpuCount === 0 && gpuModel !== '' ? 1 : gpuCount,
    milliCpus: Math.ceil(wire.cpus * 1000),
    labels: [...new Set(wire.labels)].sort(),
  }
}

function typeToWire({ milliCpus, by, ...type }: MadeType): object {
  return { ...type, cpus: milliCpus / 1000, createdBy: by }
}
