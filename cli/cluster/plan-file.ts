import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { messageOf } from '../../common/errors.js'
import { Failure } from '../failure.js'
import type { Layout } from './layout.js'
import { writeWhole } from './write-whole.js'

const runtimes = ['docker', 'process', 'dummy'] as const
export type RuntimeName = (typeof runtimes)[number]

const schema = z.object({
  v: z.literal(1),
  /** Of the cluster and of the context in the client's config. */
  name: z.string().min(1),
  /** What its runs execute in; stays what it was, whatever else can be had later. */
  runtime: z.enum(runtimes),
  nodes: z.int().positive(),
  coordinators: z.int().positive(),
  /** What each node was asked to offer; undefined: its share of the machine. */
  cpus: z.number().positive().optional(),
  memoryBytes: z.int().positive().optional(),
  nvidiaSmi: z.string().optional(),
  /** Of the Docker Engine. */
  dockerSocket: z.string(),
  /** What each node offers in fact, in the order of their names. */
  shares: z.array(
    z.object({
      cpus: z.number().positive(),
      memoryBytes: z.int().positive(),
      gpuUuids: z.array(z.string()),
    }),
  ),
  /** Of each listener, by its name. */
  ports: z.record(z.string(), z.int()),
})

/** A local cluster as it was asked for: with this and its folder it is the same cluster after any time. */
export type ClusterPlan = Readonly<z.output<typeof schema>>

/** Undefined: there has never been a cluster in this folder. */
export function readPlan(layout: Layout): ClusterPlan | undefined {
  let text: string
  try {
    text = readFileSync(layout.planFile, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Failure('configuration', `Could not read ${layout.planFile}: ${messageOf(error)}`, {
      cause: error,
    })
  }
  try {
    return schema.parse(JSON.parse(text))
  } catch (error) {
    const sentence = `${layout.planFile} does not describe a cluster of this version of spell.`
    throw new Failure('configuration', sentence, { cause: error })
  }
}

export function writePlan(layout: Layout, plan: ClusterPlan): void {
  writeWhole(layout.planFile, `${JSON.stringify(plan, undefined, 2)}\n`)
}
