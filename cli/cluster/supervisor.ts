import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { backoffMs } from '../../common/backoff.js'
import type { Clock } from '../../common/clock.js'
import { invariant, messageOf } from '../../common/errors.js'
import type { Log } from '../../common/log.js'
import type { Random } from '../../common/random.js'
import { endProcesses } from './end-processes.js'
import { answersAt } from './listening.js'
import { limitLog } from './log-limit.js'
import { identityOf, isAlive, type ProcessIdentity, processesWith } from './process-table.js'
import type { ProcessPlan } from './processes.js'
import type { ProcessProgress } from './progress-file.js'

const lookMs = 200
const logLookMs = 10_000
const needsPatienceMs = 15_000
const backoff = { firstMs: 250, maxMs: 30_000 }
/** A process that lived this long starts with the shortest wait again. */
const settledMs = 60_000

export interface SupervisorParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly environment: Readonly<Record<string, string>>
  /** Called after each change. */
  readonly report: (progress: readonly ProcessProgress[]) => void
}

/**
 * Keeps processes running: takes over those that run already, starts the others, and starts anew whatever ends. They are
 * detached and write to their log files themselves, so that they go on when the supervisor ends, however it ends; another
 * one on the same processes takes them over.
 */
export class Supervisor {
  readonly #parts: SupervisorParts
  readonly #progress = new Map<string, ProcessProgress>()

  constructor(parts: SupervisorParts, before: readonly ProcessProgress[]) {
    this.#parts = parts
    for (const progress of before) this.#progress.set(progress.name, progress)
  }

  /** Until the signal aborts, which ends no process. */
  async keep(plans: readonly ProcessPlan[], signal: AbortSignal): Promise<void> {
    const known = new Set(plans.map((plan) => plan.name))
    for (const name of this.#progress.keys()) if (!known.has(name)) this.#progress.delete(name)
    await Promise.all(plans.map((plan) => this.#keepOne(plan, signal).catch(untilAborted(signal))))
  }

  async #keepOne(plan: ProcessPlan, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts
    let failures = 0
    let running = await this.#takeOver(plan)
    for (;;) {
      running ??= await this.#start(plan, signal)
      const since = clock.monotonic()
      await this.#untilEnded(plan, running, signal)
      running = undefined
      failures = clock.monotonic() - since > settledMs ? 0 : failures + 1
      const waitMs = backoffMs(backoff, failures, random)
      this.#parts.log.warn('a process ended; starting it anew', {
        process: plan.name,
        waitMs: Math.round(waitMs),
      })
      this.#change(plan, { pid: undefined, restarts: (this.#progress.get(plan.name)?.restarts ?? 0) + 1 })
      await clock.sleep(waitMs, signal)
    }
  }

  /** One that runs as it should stays; one that runs an older program or settings is ended first. */
  async #takeOver(plan: ProcessPlan): Promise<ProcessIdentity | undefined> {
    const found = processesWith(plan.mark)
    const before = this.#progress.get(plan.name)
    const [right, ...others] = found.toSorted(
      (one, other) => Number(other.pid === before?.pid) - Number(one.pid === before?.pid),
    )
    if (
      right &&
      right.pid === before?.pid &&
      before.fingerprint === plan.fingerprint &&
      others.length === 0
    ) {
      this.#parts.log.info('took over a running process', { process: plan.name, processId: right.pid })
      return right
    }
    await endProcesses(found, this.#parts.clock)
    return undefined
  }

  async #start(plan: ProcessPlan, signal: AbortSignal): Promise<ProcessIdentity> {
    const { clock, log, environment } = this.#parts
    const patience = AbortSignal.any([signal, AbortSignal.timeout(needsPatienceMs)])
    await Promise.any([
      ...plan.needs.map((address) => answersAt(address, clock, patience)),
      atOnce(plan.needs),
    ]).catch(() => signal.throwIfAborted())
    const output = openSync(plan.logFile, 'a', 0o600)
    try {
      const child = spawn(plan.command, plan.args, {
        detached: true,
        cwd: '/',
        env: environment,
        stdio: ['ignore', output, output],
      })
      await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
      child.unref()
      invariant(child.pid !== undefined, 'a process that was spawned has an id')
      // One that has ended by now is seen as ended in the next look.
      const identity = identityOf(child.pid) ?? { pid: child.pid, startTime: 'ended' }
      log.info('started', { process: plan.name, processId: child.pid })
      this.#change(plan, { pid: child.pid, restarts: this.#progress.get(plan.name)?.restarts ?? 0 })
      return identity
    } catch (error) {
      signal.throwIfAborted()
      log.error('could not start a process', { process: plan.name, error: messageOf(error) })
      return { pid: 0, startTime: 'never' }
    } finally {
      closeSync(output)
    }
  }

  async #untilEnded(plan: ProcessPlan, running: ProcessIdentity, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    let logLookAt = clock.monotonic()
    while (isAlive(running)) {
      if (clock.monotonic() >= logLookAt) {
        limitLog(plan.logFile)
        logLookAt = clock.monotonic() + logLookMs
      }
      await clock.sleep(lookMs, signal)
    }
    signal.throwIfAborted()
  }

  #change(plan: ProcessPlan, change: { readonly pid: number | undefined; readonly restarts: number }): void {
    this.#progress.set(plan.name, {
      role: plan.role,
      name: plan.name,
      address: plan.address,
      logFile: plan.logFile,
      fingerprint: plan.fingerprint,
      sinceMs: this.#parts.clock.now(),
      ...change,
    })
    this.#parts.report([...this.#progress.values()])
  }
}

function atOnce(needs: readonly string[]): Promise<void> {
  return needs.length === 0 ? Promise.resolve() : Promise.reject(new Error('it needs others'))
}

function untilAborted(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error
  }
}
