// Durations as Go writes them (https://pkg.go.dev/time#Duration.String), which is what users of Spell have in their logs.

/** `6.87s`, `1m7.057s`, `36h0m0s`, `350ms`, `0s`. */
export function goDuration(milliseconds: number): string {
  const microseconds = Math.round(Math.abs(milliseconds) * 1000)
  const sign = milliseconds < 0 && microseconds > 0 ? '-' : ''
  if (microseconds === 0) return '0s'
  if (microseconds < 1000) return `${sign}${microseconds}µs`
  if (microseconds < 1_000_000) return `${sign}${decimal(microseconds, 3)}ms`
  const minutes = Math.floor(microseconds / 60_000_000)
  const seconds = `${decimal(microseconds % 60_000_000, 6)}s`
  if (minutes === 0) return sign + seconds
  const hours = Math.floor(minutes / 60)
  return hours === 0 ? `${sign}${minutes}m${seconds}` : `${sign}${hours}h${minutes % 60}m${seconds}`
}

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of `90`, `1.5`, `90m`, `36h`, `1h30m`; a number alone counts `unit`. Undefined when it is none of these. */
export function parseDuration(text: string, unit: 's' | 'm'): number | undefined {
  const trimmed = text.trim()
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Math.round(Number(trimmed) * (unitMs[unit] ?? 0))
  if (!/^(\d+(\.\d+)?[smhd])+$/.test(trimmed)) return undefined
  const parts = [...trimmed.matchAll(/(\d+(?:\.\d+)?)([smhd])/g)]
  return Math.round(parts.reduce((sum, part) => sum + Number(part[1]) * (unitMs[part[2] ?? ''] ?? 0), 0))
}

/** `amount / 10^digits` without zeros at its end, exactly. */
function decimal(amount: number, digits: number): string {
  const whole = Math.floor(amount / 10 ** digits)
  const rest = String(amount % 10 ** digits)
    .padStart(digits, '0')
    .replace(/0+$/, '')
  return rest === '' ? String(whole) : `${whole}.${rest}`
}
