import { messageOf, RpcError } from '../../common/errors.js'
import { finalLog } from '../logs/final-log.js'
import { Lost, type Step } from '../steps/step.js'
import type { StepParts } from '../steps/step-parts.js'
import type { Steps } from '../steps/steps.js'
import { taskEnd } from '../steps/supervise.js'
import { logLimitOf } from '../steps/task.js'
import { type Attempt, Cancelled } from './attempt.js'

/** Carries an attempt from where it is to its final report; returns early, with everything left as it is, at the agent's end. */
export async function live(attempt: Attempt, steps: Steps, parts: StepParts): Promise<void> {
  for (const step of steps.after(attempt.progress)) {
    try {
      attempt.work.throwIfAborted()
      await step.up(attempt)
    } catch (error) {
      if (attempt.watch.aborted) return
      await fail(attempt, step, error, parts)
      return
    }
  }
}

async function fail(attempt: Attempt, step: Step, error: unknown, parts: StepParts): Promise<void> {
  const intent = attempt.intent?.intent
  const killed = intent?.kind === 'kill'
  const fenced = killed && intent.endedBy === 'fence'
  const reason = killed ? intent.reason : sentenceOf(error)
  if (!killed && !(error instanceof RpcError) && !(error instanceof Lost))
    parts.log.error('A step of a run failed', { attempt: attempt.key, step: step.name, error })
  const ended = attempt.starting === undefined || attempt.released || (await endTask(attempt, parts))
  if (!ended) return
  const logBytes = await finalLog(attempt.folders.output, logLimitOf(attempt, parts.settings)).catch(() => 0)
  parts.logs.finish(attempt.id, logBytes)
  await attempt.report(
    {
      kind: 'failed',
      step: step.reportedAs,
      reason,
      killed: killed && !fenced,
      lost: fenced || (!killed && error instanceof Lost),
      logBytes,
    },
    { released: true },
  )
}

/** Nothing is called released before its last process has ended. false: the agent ended first. */
async function endTask(attempt: Attempt, parts: StepParts): Promise<boolean> {
  for (;;) {
    try {
      await parts.runtime.kill(attempt.id)
      // What never began has no end to wait for; taken away, it can't begin later either.
      if ((await parts.runtime.inspect(attempt.id)) === 'absent') await parts.runtime.remove(attempt.id)
      else await taskEnd(attempt, parts)
      return true
    } catch (error) {
      if (error instanceof Lost) return true
      if (attempt.watch.aborted) return false
      parts.log.warn('A failed run can not be ended', { attempt: attempt.key, error })
      await parts.clock.sleep(1_000, attempt.watch).catch(() => undefined)
    }
  }
}

const systemSentences: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk of the node is full.',
  EDQUOT: 'The disk of the node is full.',
  EROFS: 'The disk of the node can not be written to.',
}

function sentenceOf(error: unknown): string {
  if (error instanceof Cancelled) return error.message
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return systemSentences[code] ?? messageOf(error)
}
