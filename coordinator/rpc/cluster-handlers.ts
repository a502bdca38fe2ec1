import { RpcError } from '../../common/errors.js'
import type { SetSettingRequest__Output } from '../../proto/gen/spell/v1/SetSettingRequest.js'
import type { SetUserRequest__Output } from '../../proto/gen/spell/v1/SetUserRequest.js'
import { type Handlers, unary } from './call.js'
import { settingRefusal } from './cluster-settings.js'
import { nodeToWire } from './node-admin-handlers.js'
import type { UserCall } from './user-call.js'

/** What a leading coordinator knows of its cluster beside the leader's state. */
export interface ClusterFacts {
  readonly name: string
  readonly version: string
  readonly generation: string
  readonly term: number
  readonly leaderId: string
  readonly coordinators: readonly CoordinatorFacts[]
}

export interface CoordinatorFacts {
  readonly id: string
  readonly userAddress: string
  readonly agentAddress: string
  readonly downloadAddress?: string | undefined
}

export function clusterHandlers(facts: () => ClusterFacts): Handlers<UserCall> {
  const info = async ({ leader }: UserCall): Promise<object> => {
    const { name, version, generation, term, leaderId, coordinators } = facts()
    return {
      name,
      version,
      generation,
      term,
      leaderId,
      coordinators: coordinators.map((coordinator) => ({
        ...coordinator,
        leader: coordinator.id === leaderId,
      })),
      settings: await leader.settings(),
      newestRunId: leader.newestRunId(),
    }
  }
  return {
    'Cluster/Get': unary<unknown, UserCall>((_, call) => info(call)),
    'Cluster/ListNodes': unary<unknown, UserCall>(async (_, { leader }) => ({
      nodes: (await leader.nodes()).map(nodeToWire),
    })),
    'Cluster/ListMachineTypes': unary<unknown, UserCall>(async (_, { leader }) => ({
      machineTypes: await leader.machineTypes(),
    })),
    'Cluster/Set': unary<SetSettingRequest__Output, UserCall>(async ({ name, value }, call) => {
      const refusal = settingRefusal(name, value)
      if (refusal !== undefined) throw new RpcError('INVALID_ARGUMENT', refusal)
      await call.leader.setSetting(name, value)
      return await info(call)
    }),
    'Cluster/SetUser': unary<SetUserRequest__Output, UserCall>(({ name, maxConcurrentRuns }, { leader }) =>
      leader.setUserLimit(name, maxConcurrentRuns),
    ),
  }
}
