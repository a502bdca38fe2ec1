import test from 'ava'
import { parseSize } from '../../../cli/cluster/size.js'

const good: readonly (readonly [string, number])[] = [
  ['1073741824', 1024 ** 3],
  ['8G', 8 * 1024 ** 3],
  ['8gb', 8 * 1024 ** 3],
  ['1.5GiB', 1.5 * 1024 ** 3],
  ['512m', 512 * 1024 ** 2],
  ['64 KiB', 64 * 1024],
]

for (const [text, bytes] of good) {
  test(`${text} is ${bytes} bytes`, (t) => t.is(parseSize('--memory', text), bytes))
}

for (const text of ['', 'G', '-1G', '0', '1X', '8 G B', '1e9', 'lots']) {
  test(`"${text}" is refused, and the option is named`, (t) => {
    const error = t.throws(() => parseSize('--memory', text))
    t.regex(error.message, /--memory/)
  })
}
