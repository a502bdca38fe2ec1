import type { Assignment, Report } from '../../proto/model/attempt.js'
import type { AgentHello, AttemptLine, Inventory } from '../../proto/model/link.js'

// What of a node's own words is kept. Whatever goes into a record must fit a transaction beside others: a record that
// does not would end the term of the leader that took it in, and of the next.

const most = {
  gpus: 256,
  warnings: 50,
  nameCharacters: 100,
  sentenceCharacters: 500,
  reasonCharacters: 2_000,
}

export function boundedHello(hello: AgentHello): AgentHello {
  return {
    ...hello,
    name: name(hello.name),
    version: name(hello.version),
    machineId: name(hello.machineId),
    bootId: name(hello.bootId),
    inventory: boundedInventory(hello.inventory),
  }
}

export function boundedInventory(inventory: Inventory): Inventory {
  return {
    ...inventory,
    runtime: name(inventory.runtime),
    runtimeVersion: name(inventory.runtimeVersion),
    gpuDriverVersion: name(inventory.gpuDriverVersion ?? ''),
    gpus: inventory.gpus.slice(0, most.gpus).map((gpu) => ({
      ...gpu,
      uuid: name(gpu.uuid),
      model: name(gpu.model),
      parentUuid: name(gpu.parentUuid),
      unusableReason: sentence(gpu.unusableReason),
    })),
    warnings: inventory.warnings.slice(0, most.warnings).map(sentence),
  }
}

/** All but the spec, which is looked at as that of a submission is. */
export function boundedAssignment(assignment: Assignment): Assignment {
  return {
    ...assignment,
    machineType: name(assignment.machineType),
    gpuUuids: assignment.gpuUuids.slice(0, most.gpus).map(name),
  }
}

export function boundedReport(report: Report): Report {
  const { event } = report
  switch (event.kind) {
    case 'reached': {
      const { dockerImageDigest } = event
      return {
        ...report,
        event: { ...event, dockerImageDigest: dockerImageDigest && sentence(dockerImageDigest) },
      }
    }
    case 'ended':
      return { ...report, event: { ...event, reason: reason(event.reason) } }
    case 'failed':
      return { ...report, event: { ...event, step: name(event.step), reason: reason(event.reason) } }
    case 'saved': {
      const { manifestSha256 } = event
      return { ...report, event: { ...event, manifestSha256: manifestSha256 && name(manifestSha256) } }
    }
    case 'finished':
      return report
  }
}

export function boundedLine(line: AttemptLine): AttemptLine {
  return { ...line, text: reason(line.text) }
}

const name = (text: string): string => text.slice(0, most.nameCharacters)
const sentence = (text: string): string => text.slice(0, most.sentenceCharacters)

/** Where people read it, they see that something is missing. */
function reason(text: string): string {
  return text.length <= most.reasonCharacters ? text : `${text.slice(0, most.reasonCharacters)}…`
}
