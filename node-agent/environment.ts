import { userInfo } from 'node:os'
import type { Assignment } from '../proto/model/attempt.js'
import type { Runtime } from './runtimes/runtime.js'

/** What a user may not set: it decides which devices a container sees. */
const reservedPrefix = 'NVIDIA_'

/** What a run has before anything else. In a container the image and its user say these. */
export function baseEnvironment(runtime: Runtime['name']): Readonly<Record<string, string>> {
  if (runtime !== 'process') return {}
  const { homedir, username } = userInfo()
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: homedir,
    USER: username,
  }
}

/** The whole environment of a run, but for what its image adds below: nothing of the agent's own. */
export function environmentOf(
  assignment: Assignment,
  base: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const id = String(assignment.id.runId)
  const written: Record<string, string> = {
    ...base,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    PYTHONUNBUFFERED: '1',
  }
  for (const { name, value } of assignment.spec.env)
    if (!name.startsWith(reservedPrefix)) written[name] = value
  written.SPELL_RUN = id
  written.SPELL_RUN_ID = id
  // Above what the image says: the engine adds the same, but where a variable stands twice nobody knows which one counts.
  written.NVIDIA_VISIBLE_DEVICES = assignment.gpuUuids.join(',') || 'void'
  if (assignment.gpuUuids.length === 0) {
    // A user's own value counts among the run's GPUs; in a container without any it shows nothing.
    written.CUDA_VISIBLE_DEVICES ??= ''
  }
  return written
}
