// What stands in nvidia-smi's cells, beside what belongs there.

/** The driver or the device does not know such a thing: nothing is wrong. */
export function isNotTold(text: string): boolean {
  return /^\[?(n\/?a|not (supported|available|applicable)|none|unsupported|.*deprecated.*)?\]?$/i.test(
    text.trim(),
  )
}

/** Something that should be told is not: `ERR!`, `[Unknown Error]`, `[GPU requires reset]`. */
export function isError(text: string): boolean {
  return /\berr!|\b(unknown )?error\b|requires reset|is lost|insufficient permission|not found/i.test(text)
}

/** `81920 MiB`, whatever separates its thousands. */
export function bytesIn(text: string | undefined): number | undefined {
  const { number = '', unit = '' } =
    /^(?<number>\d[\d.,'\u00a0\u202f ]*?)\s*(?<unit>[KMGT]i?B)$/i.exec(text?.trim() ?? '')?.groups ?? {}
  const factor = unitBytes[unit.toLowerCase()]
  const plain = number.replace(/[.,'\u00a0\u202f ](?=\d{3}(\D|$))/g, '').replace(',', '.')
  return factor === undefined || !/^\d+(\.\d+)?$/.test(plain) ? undefined : Math.round(Number(plain) * factor)
}

const unitBytes: Readonly<Record<string, number>> = {
  ...{ kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 },
  ...{ kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 },
}

export function countIn(text: string | undefined): number | undefined {
  return /^\d+$/.test(text ?? '') ? Number(text) : undefined
}

export function isUuid(text: string): boolean {
  return /^((GPU|MIG)-[0-9A-Za-z/-]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.test(text)
}

/**
 * A place on the bus in one form: `00000000:CB:00.0`, `GPU0000:CB:00.0` and the kernel's `PCI:0000:cb:00` are
 * `0000:cb:00`. Empty: there is none in the text.
 */
export function busIdIn(text: string | undefined): string {
  const { domain = '', rest = '' } =
    /(?<domain>[0-9a-f]{4,8}):(?<rest>[0-9a-f]{2}:[0-9a-f]{2})(?=\.|\b)/i.exec(text ?? '')?.groups ?? {}
  return rest === '' ? '' : `${domain.replace(/^0+/, '').padStart(4, '0')}:${rest}`.toLowerCase()
}
