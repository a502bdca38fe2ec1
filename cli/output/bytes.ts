const units = ['B', 'K', 'M', 'G', 'T', 'P'] as const

/** `512B`, `1.5K`, `206M`: powers of 1,024, as `ls -h` writes them. */
export function humanBytes(bytes: number): string {
  let amount = bytes
  let unit = 0
  while (amount >= 1023.5 && unit < units.length - 1) {
    amount /= 1024
    unit += 1
  }
  return `${unit > 0 && amount < 9.95 ? amount.toFixed(1) : Math.round(amount)}${units[unit]}`
}
