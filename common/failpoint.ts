/**
 * Named points, each beside an await of submit, commit, assign, report or take-over, at which a test ends the process as
 * a power cut would. Outside tests nothing is armed and reaching one does nothing.
 */
export interface Failpoints {
  reach(name: string): void
}

export const noFailpoints: Failpoints = { reach() {} }

/** SIGKILL to this process when `name` is reached for the `nth` time (1 is the first). */
export function killAt(name: string, nth: number): Failpoints {
  let left = nth
  return {
    reach(reached) {
      if (reached !== name) return
      left -= 1
      if (left === 0) process.kill(process.pid, 'SIGKILL')
    },
  }
}
