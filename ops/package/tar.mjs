// A tar (POSIX ustar) in which only names, modes and contents of files count: one owner, one time, no folders of its own,
// in the order given. https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06

const block = 512

/** Chunks of the tar of `entries` ({ name, mode, read }); `timeSeconds` is every file's. */
export async function* tarOf(entries, timeSeconds) {
  for (const { name, mode, read } of entries) {
    const content = await read()
    yield header({ name, mode, size: content.length, timeSeconds })
    yield content
    const rest = content.length % block
    if (rest > 0) yield Buffer.alloc(block - rest)
  }
  yield Buffer.alloc(2 * block)
}

function header({ name, mode, size, timeSeconds }) {
  const [prefix, last] = split(name)
  const bytes = Buffer.alloc(block)
  bytes.write(last, 0)
  bytes.write(octal(mode, 8), 100)
  bytes.write(octal(0, 8), 108)
  bytes.write(octal(0, 8), 116)
  bytes.write(octal(size, 12), 124)
  bytes.write(octal(timeSeconds, 12), 136)
  bytes.write('        ', 148)
  bytes.write('0', 156)
  bytes.write('ustar\0' + '00', 257)
  bytes.write(octal(0, 8), 329)
  bytes.write(octal(0, 8), 337)
  bytes.write(prefix, 345)
  const sum = bytes.reduce((all, byte) => all + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return bytes
}

const octal = (number, width) => `${number.toString(8).padStart(width - 1, '0')}\0`

/** At most 100 bytes, and at most 155 before them, parted at a slash. */
function split(name) {
  if (Buffer.byteLength(name) <= 100) return ['', name]
  for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) {
    const parts = [name.slice(0, at), name.slice(at + 1)]
    if (Buffer.byteLength(parts[0]) <= 155 && Buffer.byteLength(parts[1]) <= 100) return parts
  }
  throw new Error(`The name is too long for a tar: ${name}`)
}
