import { z } from 'zod'

/** The newest transaction of the leader: numbers ascend by one for ever, across terms. */
export interface CommitRecord {
  readonly term: number
  readonly number: number
}

const commitValue = z.object({ v: z.literal(1), term: z.number().int(), number: z.number().int() })

/** Undefined stands for a cluster in which nothing was ever committed. */
export function commitRecordFromValue(value: string | undefined): CommitRecord {
  if (value === undefined) return { term: 0, number: 0 }
  const { term, number } = commitValue.parse(JSON.parse(value))
  return { term, number }
}

export function commitRecordToValue({ term, number }: CommitRecord): string {
  return JSON.stringify({ v: 1, term, number })
}
