type Program = Pick<NodeJS.Process, 'stdout' | 'stderr' | 'exit'>

/**
 * `spell logs 7 | head`: whoever read our output has seen enough, and the program ends quietly. Any other trouble, such
 * as a full disk, is said and ends it with 1.
 */
export function endOnBrokenOutput(program: Program): void {
  program.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') program.exit(0)
    program.stderr.write(`Error: Could not write the output: ${error.message}\n`)
    // At once: whoever ends the program because all is done must not come first.
    program.exit(1)
  })
}
