import type { World } from '../world.js'
import { printable, styleOf } from './style.js'
import { cutToWidth } from './width.js'

/** Nobody should look at a silent screen for a second without knowing what is waited for. */
const silenceMs = 700

export interface SlowNotice {
  /** Why it takes so long, once that is known. */
  why(reason: string): void
  /** Safe to call twice. */
  end(): void
}

/**
 * After a while one line on stderr says what is being waited for, and why; nothing when it was quick. On a terminal the
 * line goes when the wait is over.
 */
export function announceSlow(world: World, what: string): SlowNotice {
  const moving = world.stderr.isTTY && world.settings.cursor
  const { ellipsis } = styleOf(world)
  let reason = ''
  let shown = false
  const show = () => {
    const sentence = `${reason === '' ? what : `${reason.replace(/\.$/, '')}; trying again`}${ellipsis}`
    const line = printable(sentence)
    const columns = (world.stderr.columns || 80) - 1
    world.stderr.write(moving ? `\r\u001b[K${cutToWidth(line, columns, ellipsis)}` : `${line}\n`)
    shown = true
  }
  const timer = world.clock.timer(silenceMs, show)
  return {
    why(text) {
      const news = text !== reason
      reason = text
      if (shown && news) show()
    },
    end() {
      timer.cancel()
      if (shown && moving) world.stderr.write('\r\u001b[K')
      shown = false
    },
  }
}
