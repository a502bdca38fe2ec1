import { createInterface } from 'node:readline'
import { Failure } from '../failure.js'
import type { World } from '../world.js'

/**
 * A question on stderr whose default is yes. Nobody is asked without a terminal: then the answer would be a guess, and
 * the command ends with `unasked`, which names the option that makes the question unnecessary.
 */
export async function confirm(world: World, question: string, unasked: string): Promise<boolean> {
  if (!world.stdin.isTTY) throw new Failure('error', unasked)
  for (;;) {
    const answer = await askLine(world, `${question} [Y/n]: `)
    if (answer === undefined) return false
    const word = answer.trim().toLowerCase()
    if (word === '' || word === 'y' || word === 'yes') return true
    if (word === 'n' || word === 'no') return false
    world.stderr.write('Please answer y or n.\n')
  }
}

/** A line from the terminal; undefined at the end of input. ^C throws, so that whoever asks can still clean up. */
export function askLine(world: World, prompt: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: world.stdin, output: world.stderr, terminal: false })
    let answer: string | undefined
    let interrupted = false
    // Before the question shows: ^C may follow at once.
    const forget = world.onInterrupt(() => {
      interrupted = true
      lines.close()
    })
    world.stderr.write(prompt)
    lines.once('line', (line) => {
      answer = line
      lines.close()
    })
    lines.once('close', () => {
      forget()
      if (answer === undefined) world.stderr.write('\n')
      world.stdin.pause()
      if (interrupted) reject(aborted())
      else resolve(answer)
    })
  })
}

/** The same without showing what is typed. Where there is no terminal, one line of standard input. */
export async function askSecret(world: World, prompt: string): Promise<string | undefined> {
  if (!world.stdin.isTTY) return await askLine(world, '')
  // First of all: what is typed or pasted the moment the prompt shows must not show.
  world.stdin.setRawMode(true)
  try {
    world.stderr.write(prompt)
    return await readHidden(world)
  } finally {
    world.stdin.setRawMode(false)
    world.stdin.pause()
    world.stderr.write('\n')
  }
}

const controlC = '\u0003'
const controlD = '\u0004'

function readHidden(world: World): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let secret = ''
    const end = () => world.stdin.off('data', onData)
    const onData = (bytes: Buffer) => {
      for (const character of bytes.toString()) {
        if (character === controlC) {
          end()
          return reject(aborted())
        }
        if (character === '\r' || character === '\n' || character === controlD) {
          end()
          return resolve(secret || undefined)
        }
        secret = character === '\u007f' || character === '\b' ? secret.slice(0, -1) : secret + character
      }
    }
    world.stdin.on('data', onData)
    world.stdin.resume()
  })
}

function aborted(): Failure {
  return new Failure('error', 'Aborted.')
}
