import type { RunState } from '../../../proto/model/run-state.js'
import type { Chance } from './rounds.js'

/** What one run of a round is asked to do, in the dummy runtime's words, and what must have become of it. */
export interface Job {
  readonly command: string
  /** Asked of the run once it runs. */
  readonly steer?: 'Stop' | 'Kill'
  readonly state: RunState
  readonly exitCode: number | undefined
  readonly log: string
  /** By path below the run's output. */
  readonly outputs: Readonly<Record<string, string>>
}

/** Most print, write a file and end; some fail, some are stopped or killed. */
export function makeJobs(chance: Chance, count: number): readonly Job[] {
  const special: readonly ((index: number) => Job)[] = [stopped, stopped, savesOnStop, killed, cannotPrepare]
  return Array.from({ length: count }, (_, index) => {
    const make = special[index / 7 - 1]
    return make ? make(index) : plain(index, chance)
  })
}

function plain(index: number, chance: Chance): Job {
  const seconds = (chance.between(0, 200) / 1000).toFixed(3)
  const exitCode = chance.happens(0.2) ? chance.between(1, 120) : 0
  return {
    command: `echo begin ${index}; sleep ${seconds}; write made-${index} by ${index}; echo end ${index}; exit ${exitCode}`,
    state: 'complete',
    exitCode,
    log: `begin ${index}\nend ${index}\n`,
    outputs: { [`made-${index}`]: `by ${index}` },
  }
}

function stopped(index: number): Job {
  return {
    command: `write made-${index} early; echo waits ${index}; sleep infinity`,
    steer: 'Stop',
    state: 'stopped',
    exitCode: 128 + 15,
    log: `waits ${index}\n`,
    outputs: { [`made-${index}`]: 'early' },
  }
}

function savesOnStop(index: number): Job {
  return {
    command: `trap 0.1 kept late; echo waits ${index}; sleep infinity`,
    steer: 'Stop',
    state: 'stopped',
    exitCode: 0,
    log: `waits ${index}\nsaved kept\n`,
    outputs: { kept: 'late' },
  }
}

function killed(index: number): Job {
  return {
    command: `write made-${index} lost; echo waits ${index}; sleep infinity`,
    steer: 'Kill',
    state: 'killed',
    exitCode: undefined,
    log: `waits ${index}\n`,
    outputs: {},
  }
}

function cannotPrepare(): Job {
  return { command: 'fail-to-prepare', state: 'build_failed', exitCode: undefined, log: '', outputs: {} }
}
