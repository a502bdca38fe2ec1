import test from 'ava'
import { assignmentFromWire, assignmentToWire } from '../../proto/convert/attempt.js'
import { runSpecFromWire, runSpecToWire } from '../../proto/convert/run-spec.js'
import type { Assignment__Output } from '../../proto/gen/spell/v1/Assignment.js'
import type { RunSpec__Output } from '../../proto/gen/spell/v1/RunSpec.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import { codec } from '../../proto/wire.js'
import { capabilityMachine, fullSpec, plainSpec } from '../fixtures/full-spec.js'

const specs = codec<RunSpec__Output>('RunSpec')
const assignments = codec<Assignment__Output>('Assignment')

const survives = test.macro({
  exec(t, spec: RunSpec) {
    const arrived = runSpecFromWire(specs.decode(specs.encode(runSpecToWire(spec))))
    t.deepEqual(arrived, spec)
    t.deepEqual(runSpecFromWire(specs.decode(specs.encode(runSpecToWire(arrived)))), spec)
  },
  title: (title) => `${title ?? ''} survives the wire`,
})

test('a spec with every field', survives, fullSpec)
test('a spec with nothing but a command', survives, plainSpec)
test('a machine asked for by what it has', survives, { ...fullSpec, machine: capabilityMachine })
test('code from a git URL', survives, {
  ...fullSpec,
  code: { kind: 'git', url: 'https://github.com/a/b.git', ref: 'main' },
})

test('every field of the .proto is set in the full spec, so that none is forgotten', (t) => {
  const wire = runSpecToWire(fullSpec)
  const plain = specs.decode(Buffer.alloc(0))
  for (const [name, unset] of Object.entries(plain)) {
    t.true(name in wire, `${name} is not converted`)
    t.notDeepEqual(
      specs.decode(specs.encode(wire))[name as keyof RunSpec__Output],
      unset,
      `${name} is not set`,
    )
  }
})

test('an assignment brings the whole spec to the node', (t) => {
  const assignment = {
    id: { runId: 7, attempt: 2 },
    creator: 'ada',
    createdAtMs: 1_700_000_000_000,
    spec: fullSpec,
    defaultImage: 'debian:12',
    cpus: 2.5,
    memoryBytes: 8 * 1024 ** 3,
    gpuUuids: ['GPU-1', 'GPU-2'],
    machineType: 'V100x2',
    replaceable: true,
    lostAfterMs: 300_000,
    graceMs: 60_000,
    diskBytes: 10 ** 12,
    logLimitBytes: 10 ** 9,
  }
  const arrived = assignmentFromWire(assignments.decode(assignments.encode(assignmentToWire(assignment))))
  t.deepEqual(arrived, assignment)
})
