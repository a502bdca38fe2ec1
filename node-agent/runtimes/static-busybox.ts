import { readFileSync, statSync } from 'node:fs'

const places = ['/bin/busybox', '/usr/bin/busybox', '/usr/local/bin/busybox', '/usr/lib/spell/busybox']

/** A busybox that runs in any image: one that needs no libraries. Undefined where the machine has none. */
export function findStaticBusybox(configured: string | undefined): string | undefined {
  return (configured === undefined ? places : [configured]).find(isStaticProgram)
}

/** An ELF program is static when none of its program headers is PT_INTERP (elf(5)). */
export function isStaticProgram(path: string): boolean {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return false
  const image = readFileSync(path)
  if (image.length < 64 || image.readUInt32BE(0) !== 0x7f454c46) return false
  const wide = image[4] === 2
  const read32 = image[5] === 1 ? image.readUInt32LE.bind(image) : image.readUInt32BE.bind(image)
  const read16 = image[5] === 1 ? image.readUInt16LE.bind(image) : image.readUInt16BE.bind(image)
  const first = read32(wide ? 32 : 28)
  const size = read16(wide ? 54 : 42)
  const count = read16(wide ? 56 : 44)
  const interpreter = 3
  for (let index = 0; index < count; index += 1)
    if (read32(first + index * size) === interpreter) return false
  return count > 0
}
