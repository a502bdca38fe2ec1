import { runSpecToWire } from '../../proto/convert/run-spec.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import { stateToWire } from '../../proto/model/run-state.js'
import type { RunView } from '../core/records.js'

export interface RunDetail {
  /** Values of environment variables: for the owner who asked. */
  readonly env?: boolean
  /** Contents of attached files: left out of lists, which would not fit into a message. */
  readonly files?: boolean
}

export function runToWire(run: RunView, detail: RunDetail = {}): object {
  const { nodeId, nodeName, exitCode, failedStep, manifestSha256, project, dockerImageDigest } = run
  return {
    ...run,
    state: stateToWire(run.state),
    spec: runSpecToWire(shown(run.spec, detail)),
    states: run.states.map((state) => ({
      state: stateToWire(state.state),
      enteredAtMs: state.enteredAtMs,
      durationMs: Math.round(state.durationMs),
    })),
    nodeId: nodeId ?? '',
    nodeName: nodeName ?? '',
    ...(exitCode === undefined ? {} : { exitCode }),
    failedStep: failedStep ?? '',
    manifestSha256: manifestSha256 ?? '',
    project: project ?? '',
    dockerImageDigest: dockerImageDigest ?? '',
    nodeUnreachableMs: Math.round(run.nodeUnreachableMs),
  }
}

function shown(spec: RunSpec, detail: RunDetail): RunSpec {
  const env = detail.env ? spec.env : spec.env.map(({ name }) => ({ name, value: '' }))
  if (detail.files ?? true) return { ...spec, env }
  const { condaFile, pipRequirements, ...environment } = spec.environment
  return {
    ...spec,
    env,
    environment: {
      ...environment,
      pipRequirements: pipRequirements.map(({ name }) => ({ name, contentBase64: '' })),
      condaFile: condaFile && { name: condaFile.name, contentBase64: '' },
    },
  }
}
