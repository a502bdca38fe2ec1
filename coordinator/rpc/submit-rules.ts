import type { RunSpec } from '../../proto/model/run-spec.js'
import { type FieldRule, first } from './rule.js'
import { codeRules } from './submit-rules-code.js'
import { environmentRules } from './submit-rules-environment.js'
import { byteLength, hasControlCharacters, limitOf } from './text.js'

// What a run may ask for.

export const longestCommandBytes = 65_535

/** `INVALID_ARGUMENT` when one of these has something to say. */
export const validity: readonly FieldRule[] = [
  ['spec.command', command],
  ['spec.node_count', nodeCount],
  ['spec.machine', machine],
  ['spec.labels', labels],
  ['spec.project', project],
  ['spec.description', description],
  ['spec.limits', limits],
  ['spec.hyperparameters', hyperparameters],
  ['spec.stop_conditions', stopConditions],
  ...codeRules,
  ...environmentRules,
]

/** A label as runs carry it. */
export function labelRefusal(label: string): string | undefined {
  if (label === '') return 'A label is empty.'
  if ([...label].length > 128) return `The label "${label.slice(0, 20)}…" is longer than 128 characters.`
  if (hasControlCharacters(label)) return `The label ${JSON.stringify(label)} has a control character.`
  return undefined
}

/** A project's name. */
export function projectNameRefusal(name: string): string | undefined {
  if (name.trim() === '') return 'The name of a project is empty.'
  if ([...name].length > 128)
    return `The project's name "${name.slice(0, 20)}…" is longer than 128 characters.`
  if (hasControlCharacters(name)) return `The project's name ${JSON.stringify(name)} has a control character.`
  return undefined
}

function command(spec: RunSpec): string | undefined {
  const bytes = byteLength(spec.command)
  if (spec.command.trim() === '') return 'The command is empty.'
  if (bytes > longestCommandBytes)
    return `The command has ${bytes} bytes; it may have ${longestCommandBytes}. Put it into a script of the repository.`
  if (spec.command.includes('\0')) return 'The command has a NUL character, which no shell can take.'
  return undefined
}

function nodeCount(spec: RunSpec): string | undefined {
  return spec.nodeCount > 10_000 ? `No run takes ${spec.nodeCount} machines.` : undefined
}

function machine(spec: RunSpec): string | undefined {
  const { machine } = spec
  if (machine.kind === 'type') {
    if (machine.name.length > 64 || hasControlCharacters(machine.name))
      return 'The name of a machine type has at most 64 characters, none of them a control character.'
    return undefined
  }
  const numbers = [
    machine.gpuCount,
    machine.gpuMemoryBytes,
    machine.cpus,
    machine.memoryBytes,
    machine.diskBytes,
  ]
  if (numbers.some((number) => !(number >= 0 && Number.isFinite(number))))
    return 'What a run asks of its machine are numbers from 0 on.'
  return limitOf('GPU models or node labels', [...machine.gpuModels, ...machine.nodeLabels], 100)
}

function labels(spec: RunSpec): string | undefined {
  const tooMany = limitOf('labels', spec.labels, 100)
  if (tooMany !== undefined) return tooMany
  return first(spec.labels, labelRefusal)
}

function project(spec: RunSpec): string | undefined {
  return spec.project === undefined ? undefined : projectNameRefusal(spec.project)
}

function description(spec: RunSpec): string | undefined {
  if (byteLength(spec.description) > 4_096) return 'The description is longer than 4,096 bytes.'
  if (hasControlCharacters(spec.description.replaceAll('\t', ' ')))
    return 'The description has a control character.'
  return undefined
}

const tenYearsMs = 10 * 366 * 86_400_000
const dayMs = 86_400_000

function limits(spec: RunSpec): string | undefined {
  const { timeoutMs = 0, graceMs = 0, diskBytes = 0 } = spec.limits
  if (timeoutMs > tenYearsMs) return 'A timeout is at most ten years.'
  if (graceMs > dayMs) return 'The grace between the two signals is at most a day.'
  if (!Number.isSafeInteger(diskBytes)) return 'The limit on disk space is not a number of bytes.'
  return undefined
}

function hyperparameters(spec: RunSpec): string | undefined {
  const entries = Object.entries(spec.hyperparameters)
  return (
    limitOf('hyperparameters', entries, 100) ??
    first(entries, ([name, value]) =>
      name === '' || hasControlCharacters(name) || byteLength(name) + byteLength(value) > 4_096
        ? `The hyperparameter ${JSON.stringify(name.slice(0, 40))} has no usable name or is longer than 4,096 bytes.`
        : undefined,
    )
  )
}

function stopConditions(spec: RunSpec): string | undefined {
  const terms = spec.stopConditions.flat()
  if (spec.stopConditions.some((condition) => condition.length === 0)) return 'A stop condition has no terms.'
  return (
    limitOf('stop conditions', terms, 100) ??
    first(terms, ({ metric, value }) => {
      if (metric.trim() === '' || byteLength(metric) > 256 || hasControlCharacters(metric))
        return 'A stop condition names a metric of 1 to 256 bytes.'
      return Number.isFinite(value) ? undefined : `The stop condition on ${metric} compares with no number.`
    })
  )
}
