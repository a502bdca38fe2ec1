/** A line for whoever looks on. */
export function say(sentence) {
  process.stdout.write(`${sentence}\n`)
}

/** Ends the program with a sentence: something a person has to do. */
export class Stop extends Error {}

/** Runs `main` and ends with its exit code; a Stop ends with 1 and its sentence alone. */
export function runMain(main) {
  main().then(
    (code) => {
      process.exitCode = code ?? 0
    },
    (error) => {
      process.stderr.write(`\n${error instanceof Stop ? error.message : (error?.stack ?? error)}\n`)
      process.exitCode = 1
    },
  )
}
