import type { RunSpec } from './run-spec.js'

// Options whose machinery this version does not have. They are part of every message and record, so that nothing changes
// shape when the machinery comes; until then each is refused by its name: by the command line before it asks or sends
// anything, and by the coordinator, which other clients reach too. Taking a row out is all it takes to allow it.

const asked: readonly (readonly [string, (spec: RunSpec) => boolean])[] = [
  ['--mount', (spec) => spec.mounts.length > 0],
  ['--pip', (spec) => spec.environment.pipPackages.length > 0],
  ['--pip-req', (spec) => spec.environment.pipRequirements.length > 0],
  ['--apt', (spec) => spec.environment.aptPackages.length > 0],
  ['--conda-file', (spec) => spec.environment.condaFile !== undefined],
  ['--framework', (spec) => spec.environment.framework !== undefined],
  ['--rebuild', (spec) => spec.environment.rebuild],
  ['--github-url', (spec) => spec.code.kind === 'git'],
  ['--stop-condition', (spec) => spec.stopConditions.length > 0],
  ['--distributed', (spec) => spec.nodeCount > 1],
  ['--tensorboard-dir', (spec) => spec.tensorboardDir !== undefined],
  ['--idempotent', (spec) => spec.idempotent],
  ['Asking for a machine by what it has', (spec) => spec.machine.kind === 'capability'],
  ['Resuming a run', (spec) => spec.resumeFrom !== undefined],
  ['A hyperparameter', (spec) => Object.keys(spec.hyperparameters).length > 0],
  ['A workspace', (spec) => spec.kind === 'workspace'],
  ['TensorBoard', (spec) => spec.kind === 'tensorboard'],
]

/** Each looks at one thing that a run asks for and returns the sentence that refuses it. */
export const notYet: readonly ((spec: RunSpec) => string | undefined)[] = asked.map(
  ([name, isAsked]) =>
    (spec) =>
      isAsked(spec) ? `${name} is not available yet.` : undefined,
)
