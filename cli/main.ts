import { systemClock } from '../common/clock.js'
import { clientSettings } from './settings.js'

// The one place where the program ends. Nothing is imported before it is known what is asked for: `spell --version` must
// not pay for gRPC, nor `spell ps` for what only `spell run` needs.

endQuietlyOn(process.stdout, 0)
endQuietlyOn(process.stderr, 1)
main().then(end, reportBug)

async function main(): Promise<number> {
  const { spell } = await import('./spell.js')
  return await spell(process.argv.slice(2), {
    settings: clientSettings(),
    clock: systemClock,
    cwd: process.cwd(),
    // Looked at only by those who ask or read: opening it takes milliseconds.
    get stdin() {
      return process.stdin
    },
    stdout: process.stdout,
    stderr: process.stderr,
    onInterrupt(action) {
      process.on('SIGINT', action)
      return () => process.off('SIGINT', action)
    },
  })
}

/** `spell logs 7 | head`: whoever read our output has seen enough. */
function endQuietlyOn(stream: NodeJS.WriteStream, code: number): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? code : 1)
  })
}

/** What is still on its way out is waited for; open connections are not. */
function end(code: number): void {
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
}

function reportBug(error: unknown): void {
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`This is a bug in spell:\n${trace}\n`, () => process.exit(1))
}
