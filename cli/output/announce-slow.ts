import type { World } from '../world.js'

/** Nobody should look at a silent screen for a second without knowing what is waited for. */
const silenceMs = 700

export interface SlowNotice {
  /** Why it takes so long, once that is known. */
  why(reason: string): void
  /** Safe to call twice. */
  end(): void
}

/** After a while one line on stderr says what is being waited for, and why; nothing when it was quick. */
export function announceSlow(world: World, what: string): SlowNotice {
  let reason = ''
  const timer = world.clock.timer(silenceMs, () => {
    const dots = world.settings.utf8 ? '…' : '...'
    world.stderr.write(`${reason === '' ? what : `${reason}; trying again`}${dots}\n`)
  })
  return {
    why(text) {
      reason = text
    },
    end: () => timer.cancel(),
  }
}
