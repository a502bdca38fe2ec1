import type { SteerResponse__Output } from '../../proto/gen/spell/v1/SteerResponse.js'

/** What became of each run that a command named, as docs/cli.md promises it. */
export function steeredAsJson(answer: SteerResponse__Output): object {
  return {
    done: answer.done,
    already_finished: answer.alreadyFinished,
    unknown: answer.unknown,
    not_permitted: answer.notPermitted,
  }
}
