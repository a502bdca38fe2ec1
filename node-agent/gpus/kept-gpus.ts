import { readFile, rename, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import type { KnownGpu } from './known-gpus.js'

const version = 1

/** What a restarted agent must know of GPUs: an error does not pass by that, nor does one that fell off the bus. */
export interface KeptGpus {
  readonly bootId: string
  readonly gpus: readonly KnownGpu[]
}

const text = z.string()
const schema = z.object({
  v: z.literal(version),
  bootId: text,
  gpus: z.array(
    z.object({
      uuid: text,
      model: text,
      memoryBytes: z.number(),
      parentUuid: text,
      busId: text,
      uncorrectable: z.number().optional(),
      outFor: text,
      hindrance: text,
    }),
  ),
})

export async function keepGpus(file: string, { bootId, gpus }: KeptGpus): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify({ v: version, bootId, gpus }))
  await rename(`${file}.new`, file)
}

/** undefined: nothing was kept, or it is damaged. Times of another process's clock are not taken over. */
export async function keptGpus(file: string): Promise<KeptGpus | undefined> {
  try {
    const { bootId, gpus } = schema.parse(JSON.parse(await readFile(file, 'utf8')))
    return {
      bootId,
      gpus: gpus.map(({ uncorrectable, ...gpu }) => ({ ...gpu, uncorrectable, cleanSinceMs: undefined })),
    }
  } catch {
    return undefined
  }
}
