/** Value below which `share` (0 to 1) of the samples lie, by the nearest-rank method. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]
  if (value === undefined) throw new Error('A quantile of no samples was asked for.')
  return value
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

/** p50 and p99, rounded to a thousandth. */
export function summary(samples: readonly number[]): { p50: number; p99: number; count: number } {
  return { p50: round(median(samples)), p99: round(quantile(samples, 0.99)), count: samples.length }
}

export function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
