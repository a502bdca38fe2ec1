import test from 'ava'
import { editDistance, nearest } from '../../cli/nearest.js'
import { humanBytes } from '../../cli/output/bytes.js'
import { goDuration, parseDuration } from '../../cli/output/duration.js'
import { Spinner } from '../../cli/output/spinner.js'
import { printable, printableLines, shortened } from '../../cli/output/style.js'
import { commaSeparated, table } from '../../cli/output/table.js'
import { cutToWidth, width } from '../../cli/output/width.js'
import { resourcePath } from '../../cli/resource-path.js'
import { FakeClock } from '../fakes/fake-clock.js'

const durations: readonly (readonly [number, string])[] = [
  [6870.837, '6.870837s'],
  [67_057.677, '1m7.057677s'],
  [0, '0s'],
  [0.5, '500µs'],
  [1.5, '1.5ms'],
  [350, '350ms'],
  [60_000, '1m0s'],
  [59_999.9999, '1m0s'],
  [36 * 3_600_000, '36h0m0s'],
  [3_723_500, '1h2m3.5s'],
  [-1500, '-1.5s'],
]
for (const [milliseconds, text] of durations) {
  test(`${milliseconds} ms are ${text}`, (t) => t.is(goDuration(milliseconds), text))
}

const timeouts: readonly (readonly [string, 's' | 'm', number | undefined])[] = [
  ['90', 'm', 5_400_000],
  ['1.5', 'm', 90_000],
  ['60', 's', 60_000],
  ['90m', 'm', 5_400_000],
  ['36h', 's', 129_600_000],
  ['1h30m', 's', 5_400_000],
  ['2d', 'm', 172_800_000],
  ['soon', 'm', undefined],
  ['-1', 'm', undefined],
  ['', 'm', undefined],
]
for (const [text, unit, milliseconds] of timeouts) {
  test(`a time of "${text}" ${unit} is ${milliseconds} ms`, (t) =>
    t.is(parseDuration(text, unit), milliseconds))
}

test('sizes are powers of 1,024', (t) => {
  const sizes = [0, 512, 1023, 1024, 1536, 206 * 2 ** 20, 1.5 * 2 ** 40]
  t.deepEqual(sizes.map(humanBytes), ['0B', '512B', '1023B', '1.0K', '1.5K', '206M', '1.5T'])
})

test('a resource may begin with resources/ and end in slashes', (t) => {
  const written = ['resources/runs/1/', '/runs//1', 'runs', 'resources', '']
  t.deepEqual(written.map(resourcePath), ['runs/1', 'runs/1', 'runs', '', ''])
})

test('columns are as wide as what a terminal shows', (t) => {
  t.is(
    table(
      ['A', 'B'],
      [
        ['日本', 'x'],
        ['1', ''],
      ],
    ),
    'A     B\n日本  x\n1\n',
  )
  t.is(width('\u001b[32mRunning\u001b[39m'), 7)
})

test('a table may be longer than a function may have arguments', (t) => {
  t.is(table(['A'], Array<string[]>(200_000).fill(['x'])).length, 400_002)
})

test('accents take no column, emoji two, and a flag two', (t) => {
  const widths = { 'e\u0301': 1, 'a\u200bb': 2, '⭐': 2, '☎\ufe0f': 1, '🚀': 2, '🇩🇪': 2, 日本: 4 }
  t.deepEqual(Object.fromEntries(Object.keys(widths).map((text) => [text, width(text)])), widths)
})

test('a line is cut to the columns of a terminal', (t) => {
  t.is(cutToWidth('日本語', 6, '…'), '日本語')
  t.is(cutToWidth('日本語', 5, '…'), '日本…')
  t.is(cutToWidth('⭐⭐⭐', 5, '...'), '⭐...')
  t.is(cutToWidth('e\u0301e\u0301e\u0301', 2, '…'), 'e\u0301…')
})

test('a spinner that is too long for its line ends in the ellipsis of the locale', (t) => {
  let written = ''
  const write = (text: string) => {
    written += text
  }
  const parts = { clock: new FakeClock(), frames: ['*'], ellipsis: '...', columns: () => 12, write }
  const spinner = new Spinner(parts)
  spinner.show('waiting for a V100')
  spinner.stop()
  t.is(written.split(/\r\u001b\[K/)[1], '* waitin...')
})

test('comma-separated values survive commas, quotes and line breaks', (t) => {
  t.is(commaSeparated(['a,b', 'say "x"', 'c\nd', '']), '"a,b","say ""x""","c\nd",\n')
})

test("others' text cannot steer the terminal", (t) => {
  t.is(printable('a\u001b[2Jb\nc\td\u202e\u009b\u2066\u2069'), 'a?[2Jb c d????')
  t.is(printableLines('a\u001b[2Jb\r\nc\td\u0000\n'), 'a?[2Jb\nc d?\n')
})

test('long text is cut to so many characters', (t) => {
  const style = { emoji: true, ellipsis: '…', arrow: '→', spinner: false, colour: false } as const
  t.is(shortened(style, 'x'.repeat(26), 25), `${'x'.repeat(24)}…`)
  t.is(shortened(style, 'x'.repeat(25), 25), 'x'.repeat(25))
  t.is(shortened({ ...style, ellipsis: '...' }, 'x'.repeat(26), 25), `${'x'.repeat(22)}...`)
})

test('the nearest word is what was probably meant', (t) => {
  t.is(editDistance('pss', 'ps'), 1)
  t.is(editDistance('sl', 'ls'), 1)
  t.is(nearest('lgos', ['logs', 'login', 'ls']), 'logs')
  t.is(nearest('comp', ['completion', 'context']), 'completion')
  t.is(nearest('frobnicate', ['ps', 'logs']), undefined)
})
