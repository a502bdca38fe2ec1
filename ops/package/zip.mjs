import { crc32, deflateRawSync } from 'node:zlib'

// A zip in which only names, modes and contents of files count. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

const made = (3 << 8) | 20
const deflated = 8
const utf8 = 1 << 11

/** Chunks of the zip of `entries` ({ name, mode, read }); `timeSeconds` is every file's, as UTC. */
export async function* zipOf(entries, timeSeconds) {
  const directory = []
  let at = 0
  for (const { name, mode, read } of entries) {
    const content = await read()
    const packed = deflateRawSync(content)
    const common = commonHeader({ content, packed, name, timeSeconds })
    const local = Buffer.concat([number(0x04034b50, 4), common, Buffer.from(name)])
    directory.push(
      Buffer.concat([
        number(0x02014b50, 4),
        number(made, 2),
        common,
        // Comment, disk, internal attributes; then a regular file's mode, then where it is.
        number(0, 6),
        number(((0o100000 | mode) << 16) >>> 0, 4),
        number(at, 4),
        Buffer.from(name),
      ]),
    )
    yield local
    yield packed
    at += local.length + packed.length
  }
  const listed = Buffer.concat(directory)
  yield listed
  yield Buffer.concat([
    number(0x06054b50, 4),
    number(0, 4),
    number(directory.length, 2),
    number(directory.length, 2),
    number(listed.length, 4),
    number(at, 4),
    number(0, 2),
  ])
}

function commonHeader({ content, packed, name, timeSeconds }) {
  const time = new Date(timeSeconds * 1000)
  const clock = (time.getUTCHours() << 11) | (time.getUTCMinutes() << 5) | (time.getUTCSeconds() >> 1)
  const day = ((time.getUTCFullYear() - 1980) << 9) | ((time.getUTCMonth() + 1) << 5) | time.getUTCDate()
  return Buffer.concat([
    number(20, 2),
    number(utf8, 2),
    number(deflated, 2),
    number(clock, 2),
    number(day, 2),
    number(crc32(content), 4),
    number(packed.length, 4),
    number(content.length, 4),
    number(Buffer.byteLength(name), 2),
    number(0, 2),
  ])
}

function number(value, bytes) {
  const buffer = Buffer.alloc(bytes)
  buffer.writeUIntLE(value, 0, bytes)
  return buffer
}
