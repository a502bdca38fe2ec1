import type { GpuReading } from './find-gpus.js'
import type { SeenGpu } from './gpu-list.js'

// What is remembered of GPUs between two looks at nvidia-smi, and how the next look changes it.
//
//            trouble seen                     no trouble for `returnAfterMs`, at every look
//   usable ───────────────▶ out ─────────────────────────────────────────────▶ usable
//                            ▲ any look with trouble, or that says nothing, starts that time anew
//
// A hindrance (a foreign process, nvidia-smi that does not answer) is no trouble of the GPU: it ends with its cause.
// A GPU that was seen stays known: one that is not shown any more is out. It is forgotten when it can't be ours any more:
// a MIG device when its GPU is shown without it and no run holds it, a GPU at the machine's next start.

export interface KnownGpu {
  readonly uuid: string
  readonly model: string
  readonly memoryBytes: number
  readonly parentUuid: string
  readonly busId: string
  readonly uncorrectable: number | undefined
  /** Why it was taken out; empty: it is not. */
  readonly outFor: string
  /** Since when, on the monotonic clock, every look has shown nothing wrong with one that is out. */
  readonly cleanSinceMs: number | undefined
  /** Why the newest look gives it no runs though it is not out; empty: it may have some. */
  readonly hindrance: string
}

export interface Look {
  readonly reading: GpuReading
  /** Monotonic. */
  readonly nowMs: number
  readonly returnAfterMs: number
  /** Devices that attempts of this node hold. */
  readonly held: ReadonlySet<string>
  /** By place on the bus, what the kernel has said of a GPU since the look before. */
  readonly kernelSays: ReadonlyMap<string, string>
}

/** What is known after a look. In the order of the reading, what it does not have behind. */
export function afterLook(known: readonly KnownGpu[], look: Look): readonly KnownGpu[] {
  const { reading } = look
  if (reading.kind === 'none')
    return known.map((gpu) => unread(gpu, 'This machine has no nvidia-smi any more.'))
  if (reading.kind === 'failed') return known.map((gpu) => unread(gpu, reading.reason))
  const before = new Map(known.map((gpu) => [gpu.uuid, gpu]))
  const shown = reading.gpus.map((gpu) => afterSight(before.get(gpu.uuid), gpu, look))
  const uuids = new Set(shown.map(({ uuid }) => uuid))
  const unseen = known
    .filter(({ uuid }) => !uuids.has(uuid))
    .flatMap((gpu) => whenUnseen(gpu, reading, look.held.has(gpu.uuid)))
  // A divided GPU whose parts could not be read stands for them only where none is known.
  const standingIn = (gpu: KnownGpu) =>
    reading.divided.get(gpu.uuid) === 'untold' && unseen.some(({ parentUuid }) => parentUuid === gpu.uuid)
  return [...shown.filter((gpu) => !standingIn(gpu)), ...unseen]
}

/** Why it must not get runs; empty: it may. */
export function unusableReason(gpu: KnownGpu, returnAfterMs: number): string {
  if (gpu.outFor === '') return gpu.hindrance
  if (gpu.cleanSinceMs === undefined) return gpu.outFor
  return `${gpu.outFor} Now it reads well; it returns after ${minutes(returnAfterMs)} of that.`
}

function minutes(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`
}

/** It may be well: nobody knows. */
function unread(gpu: KnownGpu, reason: string): KnownGpu {
  return { ...gpu, hindrance: reason, cleanSinceMs: undefined }
}

function afterSight(before: KnownGpu | undefined, seen: SeenGpu, look: Look): KnownGpu {
  const { uuid, parentUuid } = seen
  const model = seen.model || (before?.model ?? '')
  const facts = {
    ...{ uuid, parentUuid, model },
    hindrance: seen.hindrance || (model === '' ? 'It does not tell its model.' : ''),
    // What is not told at the moment is what it was.
    memoryBytes: seen.memoryBytes || (before?.memoryBytes ?? 0),
    busId: seen.busId || (before?.busId ?? ''),
    uncorrectable: seen.uncorrectable ?? before?.uncorrectable,
  }
  const trouble = seen.trouble || risen(before, seen) || kernelTrouble(facts.busId, look)
  if (trouble !== '') return { ...facts, outFor: trouble, cleanSinceMs: undefined }
  if (!before || before.outFor === '') return { ...facts, outFor: '', cleanSinceMs: undefined }
  const cleanSinceMs = before.cleanSinceMs ?? look.nowMs
  const returns = look.nowMs - cleanSinceMs >= look.returnAfterMs
  return { ...facts, ...(returns ? usable : { outFor: before.outFor, cleanSinceMs }) }
}

const usable = { outFor: '', cleanSinceMs: undefined }

function risen(before: KnownGpu | undefined, seen: SeenGpu): string {
  const more = (seen.uncorrectable ?? 0) - (before?.uncorrectable ?? Number.POSITIVE_INFINITY)
  return more > 0 ? `Its count of uncorrectable memory errors has risen by ${more}.` : ''
}

function kernelTrouble(busId: string, look: Look): string {
  return (busId !== '' && look.kernelSays.get(busId)) || ''
}

function whenUnseen(
  gpu: KnownGpu,
  reading: Extract<GpuReading, { kind: 'read' }>,
  held: boolean,
): readonly KnownGpu[] {
  const said = reading.lost.get(gpu.busId)
  if (said !== undefined) return [out(gpu, said)]
  // Its GPU was divided anew, or it is a GPU that was divided.
  const division = reading.divided.get(gpu.parentUuid || gpu.uuid)
  const whole = reading.gpus.some(({ uuid }) => uuid === gpu.parentUuid)
  if (division === 'told' || (division === undefined && whole))
    return held ? [out(gpu, 'It is there no more: its GPU was divided anew while a run held it.')] : []
  if (division === 'untold') return [unread(gpu, 'nvidia-smi does not tell the MIG devices of its GPU.')]
  if (reading.incomplete !== '') return [unread(gpu, reading.incomplete)]
  return [out(gpu, 'It was there and is not shown any more: it may have fallen off the bus.')]
}

function out(gpu: KnownGpu, reason: string): KnownGpu {
  return { ...gpu, outFor: reason, cleanSinceMs: undefined, hindrance: '' }
}
