import { processesWith } from '../cluster/process-table.js'
import { Failure } from '../failure.js'

/** Throws Failure where a process with one of these arguments runs on this machine. */
export function refuseRunning(marks: readonly string[], remedy: string): void {
  const pids = marks.flatMap((mark) => processesWith(mark)).map(({ pid }) => pid)
  if (pids.length === 0) return
  throw new Failure(
    'error',
    `etcd or a coordinator still runs here (processes ${pids.join(', ')}): ${remedy}. Nothing was changed.`,
  )
}
