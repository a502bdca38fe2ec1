import type { RunState } from '../../../proto/model/run-state.js'
import type { Chance } from '../support/rounds.js'

/** What one run of a schedule does, and what must have become of it, by the attempt that counts. */
export interface Work {
  readonly index: number
  readonly spec: object
  /** Asked of the run once it runs. */
  readonly steer: 'Stop' | 'Kill' | undefined
  readonly replaceable: boolean
  /** It goes on until it is let: see `gateOf`. */
  readonly lasts: boolean
  /** How it ends where its machine does not. */
  readonly state: RunState
  readonly exitCode: number | undefined
  /** All that attempt `key` prints; of what lasts as long as it is let, `read` says how much that was. */
  log(key: string, read: string): string
  /** What attempt `key` leaves, by path. */
  outputs(key: string): Readonly<Record<string, string>>
}

interface Shape {
  readonly steps: number
  readonly stepMs: number
  /** So many lines more after each step. */
  readonly lines: number
  readonly exitCode: number
  readonly gpu: boolean
  readonly replaceable: boolean
}

/**
 * Every attempt notes in the ledger that it has begun and ended, as the last thing it does, and takes a lock on each of
 * its devices for as long as any of its processes lives: whoever finds one locked notes that too.
 */
export function makeWork(chance: Chance, count: number, ledger: string): readonly Work[] {
  return Array.from({ length: count }, (_, index) => {
    if (index === 14 || index === 31) return waiting(index, ledger, 'Stop')
    if (index === 22) return saving(index, ledger)
    if (index === 17 || index === 36) return waiting(index, ledger, 'Kill')
    if (index % 5 === 0 && index % 15 !== 0) return lasting(index, ledger)
    return printing(index, ledger, shapeOf(index, chance))
  })
}

function shapeOf(index: number, chance: Chance): Shape {
  const long = index % 15 === 0
  return {
    steps: long ? chance.between(12, 20) : chance.between(1, 4),
    stepMs: long ? 400 : chance.between(30, 300),
    lines: chance.happens(0.2) ? 2_000 : 0,
    exitCode: chance.happens(0.2) ? chance.between(1, 120) : 0,
    gpu: index % 4 === 1,
    replaceable: !long && chance.happens(0.3),
  }
}

const preamble = (index: number, ledger: string) =>
  [
    `a=\${PWD##*/attempts/}; a=\${a%%/*}; echo "start $a ${index}" >>${ledger}`,
    `for g in \${CUDA_VISIBLE_DEVICES//,/ }; do`,
    `  exec {f}>>${ledger}.$g; flock -n $f || echo "overlap $a $g" >>${ledger}`,
    'done',
  ].join('\n')

function printing(index: number, ledger: string, shape: Shape): Work {
  const { steps, stepMs, lines, exitCode, gpu, replaceable } = shape
  const command = [
    preamble(index, ledger),
    `echo "work ${index} as $a"`,
    `for i in $(seq ${steps}); do sleep ${stepMs / 1000}; echo "step $i of $a"${lines > 0 ? `; seq ${lines}` : ''}; done`,
    `echo "work ${index} by $a" >made-${index}`,
    // A moment in which it is known to have done all, and has not ended.
    `echo "end $a" >>${ledger}; sleep 0.1; exit ${exitCode}`,
  ].join('\n')
  const more = Array.from({ length: lines }, (_, line) => `${line + 1}\n`).join('')
  return {
    ...{ index, steer: undefined, replaceable, lasts: false, state: 'complete', exitCode },
    spec: specOf(command, { gpu, replaceable, graceMs: 0 }),
    log: (key) =>
      `work ${index} as ${key}\n` +
      Array.from({ length: steps }, (_, step) => `step ${step + 1} of ${key}\n${more}`).join(''),
    outputs: (key) => ({ [`made-${index}`]: `work ${index} by ${key}\n` }),
  }
}

/** Goes on until the gate is open, or that of this attempt alone, so that it is there whenever something befalls its machine. */
function lasting(index: number, ledger: string): Work {
  const command = [
    preamble(index, ledger),
    `i=0; while [ ! -e ${gateOf(ledger)} ] && [ ! -e ${gateOf(ledger)}.$a ]; do sleep 0.3; i=$((i+1)); echo "step $i of $a"; done`,
    `echo "work ${index} by $a" >made-${index}; echo "all $i"`,
    `echo "end $a" >>${ledger}; sleep 0.1; exit 9`,
  ].join('\n')
  return {
    ...{ index, steer: undefined, replaceable: true, lasts: true, state: 'complete', exitCode: 9 },
    spec: specOf(command, { gpu: index % 4 === 1, replaceable: true, graceMs: 0 }),
    log(key, read) {
      const count = Number(/^all (\d+)\n$/m.exec(read)?.[1] ?? 0)
      const steps = Array.from({ length: count }, (_, step) => `step ${step + 1} of ${key}\n`)
      return `${steps.join('')}all ${count}\n`
    },
    outputs: (key) => ({ [`made-${index}`]: `work ${index} by ${key}\n` }),
  }
}

/** When this file is there, what lasts comes to its end; with the name of an attempt, that one. */
export const gateOf = (ledger: string, key?: string): string =>
  key === undefined ? `${ledger}.gate` : `${ledger}.gate.${key}`

function waiting(index: number, ledger: string, steer: 'Stop' | 'Kill'): Work {
  const words = [
    preamble(index, ledger),
    `echo early >made-${index}; echo "work ${index} as $a"; echo "ready $a" >>${ledger}; sleep 1000`,
  ]
  return {
    ...{ index, steer, replaceable: false, lasts: false },
    spec: specOf(words.join('\n'), { gpu: false, replaceable: false, graceMs: 20_000 }),
    state: steer === 'Stop' ? 'stopped' : 'killed',
    exitCode: steer === 'Stop' ? 128 + 15 : undefined,
    log: (key) => `work ${index} as ${key}\n`,
    outputs: () => (steer === 'Stop' ? { [`made-${index}`]: 'early\n' } : {}),
  }
}

function saving(index: number, ledger: string): Work {
  const words = [
    preamble(index, ledger),
    `trap 'echo late >kept; echo "saved by $a"; echo "end $a" >>${ledger}; exit 7' TERM`,
    `echo "work ${index} as $a"; echo "ready $a" >>${ledger}; sleep 1000 & wait`,
  ]
  return {
    ...{ index, steer: 'Stop', replaceable: false, lasts: false, state: 'stopped', exitCode: 7 },
    spec: specOf(words.join('\n'), { gpu: false, replaceable: false, graceMs: 20_000 }),
    log: (key) => `work ${index} as ${key}\nsaved by ${key}\n`,
    outputs: () => ({ kept: 'late\n' }),
  }
}

/** `graceMs` 0: the cluster's. */
function specOf(
  command: string,
  wish: { readonly gpu: boolean; readonly replaceable: boolean; readonly graceMs: number },
): object {
  return {
    command,
    machine: { typeName: wish.gpu ? 'T4' : 'CPU' },
    limits: {
      autoResume: wish.replaceable ? 'AUTO_RESUME_ON' : 'AUTO_RESUME_OFF',
      graceMs: wish.graceMs,
    },
  }
}
