import { systemClock } from '../../../common/clock.js'
import { pauseProcess, resumeProcess } from '../../fixtures/pause.js'
import type { Failpoint, Program } from '../support/program.js'

/** Between the end of a program and its next start, as the machine's init system has it. */
const restartMs = 100

/** A program that is started again whenever it ends, unless somebody holds it down. */
export class Kept {
  readonly program: Program
  /** Ends that nobody can explain, each a sentence. */
  readonly faults: string[] = []
  #down = 0
  #paused = false
  #over = false

  constructor(program: Program) {
    this.program = program
  }

  get name(): string {
    return this.program.name
  }

  get isPaused(): boolean {
    return this.#paused
  }

  start(failpoint?: Failpoint): void {
    this.program.start(failpoint)
    const { pid } = this.program
    void this.program.ended.then(async () => {
      if (this.#over || this.#down > 0 || this.program.pid !== pid) return
      if (this.program.end !== 'SIGKILL')
        this.faults.push(`${this.name} ended with ${this.program.end}: ${this.program.lastLines(1).join('')}`)
      await systemClock.sleep(restartMs)
      if (!this.#over && this.#down === 0 && !this.program.isRunning) this.start()
    })
  }

  /** Ends it, does something while it is down, and starts it again, armed perhaps. */
  async down(
    signal: 'SIGKILL' | 'SIGTERM',
    meanwhile: () => Promise<void>,
    failpoint?: Failpoint,
  ): Promise<void> {
    this.#down += 1
    try {
      await this.resume()
      await this.program.signal(signal)
      await meanwhile()
    } finally {
      this.#down -= 1
      if (!this.#over && this.#down === 0 && !this.program.isRunning) this.start(failpoint)
    }
  }

  /** Starts it anew, armed, and does something when it has ended at that point, before it is started again. */
  async untilPoint(failpoint: Failpoint, withinMs: number, meanwhile: () => Promise<void>): Promise<boolean> {
    let reached = false
    await this.down('SIGKILL', async () => {
      this.start(failpoint)
      await Promise.race([this.program.ended, systemClock.sleep(withinMs)])
      reached = !this.program.isRunning
      if (reached) await meanwhile()
    })
    return reached
  }

  async pause(): Promise<void> {
    if (!this.program.isRunning) return
    this.#paused = true
    await pauseProcess(this.program.pid)
  }

  async resume(): Promise<void> {
    if (this.#paused && this.program.isRunning) resumeProcess(this.program.pid)
    this.#paused = false
  }

  /** It is not started again from now on. */
  leave(): void {
    this.#over = true
  }
}
