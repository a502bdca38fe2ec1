import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { RpcError } from '../../common/errors.js'

/** One process to be started, leader of a session of its own; its first stdout closes when it is under way. */
export interface StartOrder {
  readonly program: string
  readonly args: readonly string[]
  readonly folder: string
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>
}

/** What goes to the starter, and what it answers, by a number of its own for each order. */
export interface NumberedOrder extends StartOrder {
  readonly number: number
}
export interface StarterAnswer {
  readonly number: number
  /** `failed`: it did not start, for the reason. `over`: it has ended. */
  readonly kind: 'ready' | 'failed' | 'over'
  readonly reason?: string
}

interface Waiting {
  readonly ready: () => void
  readonly failed: (error: RpcError) => void
  readonly over: () => void
}

/**
 * Starts processes through a small process of its own. A fork takes as long as the memory of who forks is large, and stops
 * all else there until the new program runs: of an agent's time for a short run that was a third. The starter is begun at
 * the first order, anew when it was lost, and ends with the agent; what it has started goes on.
 */
export class ProcessStarter {
  readonly #waiting = new Map<number, Waiting>()
  /** Orders of which it is not known whether they could be carried out. */
  readonly #open = new Set<number>()
  #starter: ChildProcess | undefined
  #newest = 0

  /**
   * Resolves when the process is under way. FAILED_PRECONDITION: it does not start. UNAVAILABLE: it may have been started
   * or not. `over` is called at its end, and earlier when nobody is there any more who would notice that.
   */
  start(order: StartOrder, over: () => void): Promise<void> {
    this.#newest += 1
    const number = this.#newest
    return new Promise((ready, failed) => {
      this.#waiting.set(number, { ready, failed, over })
      const numbered: NumberedOrder = { number, ...order }
      const starter = this.#running()
      // Whoever waits for this has nothing else that keeps his process.
      this.#open.add(number)
      starter.channel?.ref()
      // What went wrong is told by the starter's end.
      starter.send(numbered, () => undefined)
    })
  }

  #running(): ChildProcess {
    if (this.#starter) return this.#starter
    const starter = fork(program, {
      env: {},
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: ['--max-semi-space-size=1'],
    })
    this.#starter = starter
    starter.on('message', (answer) => this.#hear(answer as StarterAnswer))
    const lost = () => this.#lost(starter)
    starter.once('error', lost).once('disconnect', lost).once('exit', lost)
    starter.unref()
    starter.channel?.unref()
    return starter
  }

  #hear({ number, kind, reason }: StarterAnswer): void {
    const waiting = this.#waiting.get(number)
    this.#open.delete(number)
    if (this.#open.size === 0) this.#starter?.channel?.unref()
    if (kind === 'failed')
      waiting?.failed(new RpcError('FAILED_PRECONDITION', `The command does not start: ${reason}`))
    // The news of a short life may come before the news of its beginning.
    else waiting?.ready()
    if (kind === 'ready') return
    this.#waiting.delete(number)
    waiting?.over()
  }

  #lost(starter: ChildProcess): void {
    if (this.#starter !== starter) return
    this.#starter = undefined
    const left = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#open.clear()
    for (const { failed, over } of left) {
      failed(new RpcError('UNAVAILABLE', 'The process that starts commands has ended.'))
      over()
    }
  }
}

const program = fileURLToPath(new URL('./process-starter-main.js', import.meta.url))
