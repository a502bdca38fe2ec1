import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../common/clock.js'
import type { Machine } from '../../fixtures/machines.js'

/** `plain` ends when it is told to; `deaf` does not hear SIGTERM; `saving` leaves something when it comes. */
export type Manner = 'plain' | 'deaf' | 'saving'

/** Prints and shows that it lives, ten times a second, until its gate is open. An attempt knows its name by its folder. */
const script = `work=$1 a=\${PWD##*/attempts/}; a=\${a%%/*}
case $2 in
  deaf) trap '' TERM ;;
  saving) trap 'echo "late result of $a" > result; exit 0' TERM ;;
esac
echo "$a $(date +%s%N)" >> $work/begun
i=0
while [ ! -e $work/gate-$a ]; do
  i=$((i+1)); echo "line $i of $a"
  date +%s%N > $work/sign-$a.new; mv $work/sign-$a.new $work/sign-$a
  sleep 0.1
done
echo "result of $a" > result
echo "all $i"
date +%s%N > $work/sign-$a
exit 5
`

/** What the runs do and leave, seen from outside of the cluster. Attempts are named `RUN.NUMBER`. */
export class Work {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    writeFileSync(join(folder, 'work.sh'), script)
  }

  command(manner: Manner): string {
    return `bash ${join(this.#folder, 'work.sh')} ${this.#folder} ${manner}`
  }

  /** Of all attempts that are there. */
  processesOn(machine: Machine, ...manners: readonly Manner[]): readonly number[] {
    return manners.flatMap((manner) => machine.processesWith(`${this.#folder}\0${manner}`))
  }

  openGate(attempt: string): void {
    writeFileSync(join(this.#folder, `gate-${attempt}`), '')
  }

  /** When it began, in milliseconds of the one clock that all machines have here. Resolves once it has. */
  async begun(attempt: string): Promise<number> {
    const file = join(this.#folder, 'begun')
    for (;;) {
      const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
      const line = lines.find((each) => each.startsWith(`${attempt} `))
      if (line !== undefined) return Number(line.split(' ')[1]) / 1e6
      await systemClock.sleep(50)
    }
  }

  /** When it last showed that it lived. */
  lastSign(attempt: string): number {
    return Number(readFileSync(join(this.#folder, `sign-${attempt}`), 'utf8')) / 1e6
  }

  /** Resolves at its next sign of life. */
  async nextSign(attempt: string): Promise<void> {
    const before = this.lastSign(attempt)
    while (this.lastSign(attempt) === before) await systemClock.sleep(50)
  }

  /** What is wrong with all that an attempt has printed that came to its own end, each a sentence. */
  wrongIn(log: string, attempt: string): readonly string[] {
    const lines = log.split('\n')
    const count = lines.length - 2
    const steps = Array.from({ length: count }, (_, line) => `line ${line + 1} of ${attempt}`)
    const expected = [...steps, `all ${count}`, '']
    const wrong = expected.findIndex((line, index) => line !== lines[index])
    return wrong < 0 ? [] : [`line ${wrong + 1} is ${JSON.stringify(lines[wrong])}`]
  }
}
