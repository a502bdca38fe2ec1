import { systemClock } from '../common/clock.js'
import { endOnBrokenOutput } from './end-on-broken-output.js'
import { adoptProxy, clientSettings } from './settings.js'
import { workingDirectory } from './working-directory.js'

// The one place where the program ends. Nothing is imported before it is known what is asked for: `spell --version` must
// not pay for gRPC, nor `spell ps` for what only `spell run` needs.

endOnBrokenOutput(process)
process.stderr.on('error', () => process.exit(1))
main().then(end, reportBug)

async function main(): Promise<number> {
  adoptProxy()
  const { spell } = await import('./spell.js')
  return await spell(process.argv.slice(2), {
    settings: clientSettings(),
    clock: systemClock,
    // Most commands do as well without it.
    get cwd() {
      return workingDirectory()
    },
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

/** What is still on its way out is waited for, and trouble with it, told a little later; open connections are not. */
function end(code: number): void {
  process.stdout.write('', () => process.stderr.write('', () => setImmediate(() => process.exit(code))))
}

function reportBug(error: unknown): void {
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`This is a bug in spell:\n${trace}\n`, () => process.exit(1))
}
