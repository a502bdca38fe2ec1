import type { User__Output } from '../../proto/gen/spell/v1/User.js'

/** Who is logged in, and where, as docs/cli.md promises it. */
export function userAsJson(
  user: User__Output,
  context: string | undefined,
  addresses: readonly string[],
): object {
  return {
    name: user.name,
    email: user.email,
    role: user.role,
    max_concurrent_runs: user.maxConcurrentRuns || null,
    context: context || null,
    addresses,
  }
}
