import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../common/clock.js'
import { invariant, RpcError } from '../../common/errors.js'
import type { Entry } from './record.js'
import { beginSegment, preallocate, readSegment, type Segment } from './segment.js'

export interface SegmentSettings {
  readonly folder: string
  /** Of one segment; an entry must fit into one. */
  readonly segmentBytes: number
  /** Empty segments kept ready: what is left to write in when the disk is full. */
  readonly spareSegments: number
}

/** The segment before the newest, and so on, to the oldest; each with what stands in it. */
export interface SegmentContents {
  readonly segment: Segment
  readonly entries: readonly Entry[]
}

/**
 * The journal's files. `<sequence>.segment` holds records, `spare-<n>` is ready for use; what a header says counts, not a
 * name. Segments are given back strictly in order of age: a record that ends an attempt is never older than the ones it ends.
 */
export class Segments {
  readonly #settings: SegmentSettings
  readonly #clock: Clock
  readonly #closed: Segment[] = []
  readonly #spares: string[] = []
  #active: Segment | undefined
  #nextName = 1
  #toppingUp: Promise<void> | undefined
  #shortage: unknown

  constructor(settings: SegmentSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
  }

  /** Oldest first. */
  async open(): Promise<readonly SegmentContents[]> {
    const { folder } = this.#settings
    await mkdir(folder, { recursive: true })
    const found: SegmentContents[] = []
    try {
      for (const name of (await readdir(folder)).sort()) await this.#find(name, found)
      found.sort((left, right) => left.segment.sequence - right.segment.sequence)
      for (const { segment, entries } of found.slice(0, -1)) mustBeWhole(segment, entries)
    } catch (error) {
      await Promise.all(found.map(({ segment }) => segment.handle.close()))
      throw error
    }
    for (const { segment } of found.slice(0, -1)) this.#closed.push(segment)
    this.#active = found.at(-1)?.segment
    await this.topUp()
    if (!this.#active && this.#spares.length === 0)
      throw new RpcError('RESOURCE_EXHAUSTED', `There is no space for a journal in ${folder}.`, {
        cause: this.#shortage,
      })
    if (!this.#active || found.at(-1)?.entries.at(-1)?.kind === 'end') await this.rotate()
    return found
  }

  get active(): Segment {
    invariant(this.#active, 'the journal is open')
    return this.#active
  }

  /** Oldest first. */
  get closed(): readonly Segment[] {
    return this.#closed
  }

  /** Why no new attempt may be begun: the space that is left is needed to tell how the present ones end. */
  get shortage(): unknown {
    return this.#spares.length < this.#settings.spareSegments ? this.#shortage : undefined
  }

  /** The next segment becomes the active one. Waits while there is none and no space to make one. */
  async rotate(): Promise<Segment> {
    const { folder } = this.#settings
    for (let spare = this.#spares.shift(); ; spare = this.#spares.shift()) {
      if (spare !== undefined) {
        const sequence = (this.#active?.sequence ?? 0) + 1
        const file = join(folder, `${String(sequence).padStart(12, '0')}.segment`)
        const segment = await beginSegment(await open(spare, 'r+'), file, sequence)
        await rename(spare, file)
        await syncFolder(folder)
        if (this.#active) this.#closed.push(this.#active)
        this.#active = segment
        void this.topUp()
        return segment
      }
      await this.topUp()
      if (this.#spares.length === 0) await this.#clock.sleep(200)
    }
  }

  /** Takes back the oldest segments in which nothing counts any more. Only after that has become durable. */
  async recycle(): Promise<void> {
    for (let oldest = this.#closed[0]; oldest?.attempts.size === 0; oldest = this.#closed[0]) {
      this.#closed.shift()
      await oldest.handle.close()
      if (this.#spares.length > this.#settings.spareSegments) {
        await rm(oldest.file)
        continue
      }
      const file = this.#spareName()
      await rename(oldest.file, file)
      this.#spares.push(file)
    }
  }

  /** Makes spares until there are enough, as far as space allows; what stood in the way becomes `shortage`. */
  topUp(): Promise<void> {
    this.#toppingUp ??= this.#makeSpares().finally(() => {
      this.#toppingUp = undefined
    })
    return this.#toppingUp
  }

  async close(): Promise<void> {
    await this.#toppingUp
    for (const segment of [...this.#closed.splice(0), ...(this.#active ? [this.#active] : [])])
      await segment.handle.close()
    this.#active = undefined
  }

  async #find(name: string, found: SegmentContents[]): Promise<void> {
    const file = join(this.#settings.folder, name)
    this.#nextName = Math.max(this.#nextName, 1 + Number(/\d+/.exec(name)?.[0] ?? 0))
    if (name.endsWith('.segment')) {
      const { segment, records } = await readSegment(file)
      found.push({ segment, entries: records.entries })
    } else if (name.endsWith('.part') || (await stat(file)).size < this.#settings.segmentBytes) await rm(file)
    else this.#spares.push(file)
  }

  async #makeSpares(): Promise<void> {
    const { folder, segmentBytes, spareSegments } = this.#settings
    // While nothing is written yet, one more: the first to be written in.
    const wanted = () => spareSegments + (this.#active ? 0 : 1)
    while (this.#spares.length < wanted()) {
      const file = this.#spareName()
      try {
        await preallocate(`${file}.part`, segmentBytes)
        await rename(`${file}.part`, file)
        await syncFolder(folder)
      } catch (error) {
        await rm(`${file}.part`, { force: true })
        this.#shortage = error
        return
      }
      this.#spares.push(file)
    }
    this.#shortage = undefined
  }

  #spareName(): string {
    return join(this.#settings.folder, `spare-${this.#nextName++}`)
  }
}

function mustBeWhole(segment: Segment, entries: readonly Entry[]): void {
  if (entries.at(-1)?.kind === 'end') return
  const sentence = `The journal's file ${segment.file} is damaged at byte ${segment.tail}: what happened to some attempts can't be read.`
  throw new RpcError('DATA_LOSS', sentence)
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
