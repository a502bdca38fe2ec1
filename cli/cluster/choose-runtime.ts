import { Failure } from '../failure.js'
import { lookForEngine } from './docker-engine.js'
import type { RuntimeName } from './plan-file.js'

export const runtimeChoices = ['auto', 'docker', 'process', 'dummy'] as const
export type RuntimeChoice = (typeof runtimeChoices)[number]

export interface ChosenRuntime {
  readonly runtime: RuntimeName
  /** Which it is and why, for a person. */
  readonly sentence: string
}

/**
 * What runs execute in. A cluster keeps what it had: its nodes hold attempts of that kind. Throws Failure when Docker is
 * wanted and can't be reached.
 */
export async function chooseRuntime(
  wanted: RuntimeChoice | undefined,
  before: RuntimeName | undefined,
  socketPath: string,
): Promise<ChosenRuntime> {
  const settled = wanted === 'auto' ? undefined : wanted
  const runtime = settled ?? before
  if (runtime === 'process')
    return { runtime, sentence: `Runs are processes of this user: ${why(settled, 'process')}.` }
  if (runtime === 'dummy')
    return { runtime, sentence: `Runs are pretended (dummy runtime): ${why(settled, 'dummy')}.` }
  const engine = await lookForEngine(socketPath)
  if (engine.kind === 'answers')
    return {
      runtime: 'docker',
      sentence: `Runs are Docker containers: Docker Engine ${engine.version} answers.`,
    }
  if (runtime === 'docker') {
    const sentence = `Docker could not be reached: ${engine.reason}.`
    const advice = settled === undefined ? ' The runs of this cluster are Docker containers' : ''
    throw new Failure(
      'error',
      `${sentence}${advice === '' ? '' : `${advice}; start Docker, or choose "--runtime process" for new ones.`}`,
    )
  }
  return {
    runtime: 'process',
    sentence: `Runs are processes of this user, not containers: Docker could not be reached (${engine.reason}).`,
  }
}

function why(settled: RuntimeName | undefined, runtime: RuntimeName): string {
  return settled === undefined ? 'this cluster was made so' : `as "--runtime ${runtime}" says`
}
