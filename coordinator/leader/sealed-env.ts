import { createHash } from 'node:crypto'
import { RpcError } from '../../common/errors.js'
import { keyedHash, seal, unseal } from '../../common/sealing.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import type { RunOrigin } from '../core/records.js'
import type { RequestName } from './types.js'

// People put passwords into environment variables. Their values are sealed before anything of a run reaches etcd, and
// unsealed for the run's node and for its owner only. The hash by which a request is known again is keyed: from a plain one
// a short password could be found by trying.

/** FAILED_PRECONDITION: there is something to seal, and no key. */
export function sealedSpec(
  key: Buffer | undefined,
  runId: number,
  spec: RunSpec,
): Pick<RunOrigin, 'spec' | 'envSealed'> {
  if (spec.env.length === 0) return { spec }
  const used = keyOrRefuse(key)
  const env = spec.env.map(({ name, value }) => ({ name, value: seal(used, purpose(runId, name), value) }))
  return { spec: { ...spec, env }, envSealed: true }
}

export function unsealedSpec(key: Buffer | undefined, { id, spec, envSealed }: RunOrigin): RunSpec {
  if (!envSealed) return spec
  const used = keyOrRefuse(key)
  return {
    ...spec,
    env: spec.env.map(({ name, value }) => ({ name, value: unseal(used, purpose(id, name), value) })),
  }
}

/** What a request is known by; `content` is all that it says. */
export function requestHashes(
  key: Buffer | undefined,
  spec: RunSpec,
  content: string,
): Pick<RequestName, 'requestHash' | 'earlierHash'> {
  const plain = createHash('sha256').update(content).digest('hex')
  if (spec.env.length === 0) return { requestHash: plain }
  return { requestHash: keyedHash(keyOrRefuse(key), 'request', content), earlierHash: plain }
}

const purpose = (runId: number, name: string): string => `env ${runId} ${name}`

function keyOrRefuse(key: Buffer | undefined): Buffer {
  if (key) return key
  throw new RpcError(
    'FAILED_PRECONDITION',
    "This cluster has no key to seal environment variables with: name one in its coordinators' settings (clusterKeyFile).",
  )
}
