/** What shall become of an attempt other than going on. */
export type Intent =
  | {
      /** End the command in time, then save what it has made. */
      readonly kind: 'stop'
      readonly endedBy: 'stop' | 'timeout' | 'disk_limit' | 'fence'
      readonly reason: string
      /** Milliseconds between the graceful and the hard signal. */
      readonly graceMs: number
    }
  | {
      readonly kind: 'kill'
      readonly reason: string
      /** Nobody asked for it: the attempt counts as lost then, not as killed. */
      readonly endedBy?: 'fence'
    }

/** Whether `next` changes anything: a kill outranks a stop; of two stops the first counts. */
export function outranks(next: Intent, present: Intent | undefined): boolean {
  return present === undefined || (next.kind === 'kill' && present.kind === 'stop')
}
