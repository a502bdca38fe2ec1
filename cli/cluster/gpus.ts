import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { messageOf } from '../../common/errors.js'
import { Failure } from '../failure.js'
import { findProgram } from './programs.js'

const run = promisify(execFile)
const patienceMs = 20_000

/** The machine's GPUs, by UUID and in nvidia-smi's order; MIG devices go with their GPU. */
export async function listGpus(
  nvidiaSmi: string | undefined,
  searchPath: readonly string[],
): Promise<readonly string[]> {
  const program = nvidiaSmi ?? findProgram('nvidia-smi', searchPath)
  if (program === undefined) return []
  try {
    const { stdout } = await run(program, ['-L'], { timeout: patienceMs })
    return [...stdout.matchAll(/^GPU \d+:.*\(UUID: (GPU-[0-9a-f-]+)\)/gim)].map((match) => match[1] ?? '')
  } catch (error) {
    if (nvidiaSmi === undefined) return []
    throw new Failure('error', `${nvidiaSmi} did not list any GPUs: ${messageOf(error)}`, { cause: error })
  }
}
