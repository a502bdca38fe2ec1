import { type Logger, pino } from 'pino'

/** Structured log of a program: a sentence, and facts beside it. */
export interface Log {
  debug(sentence: string, facts?: Readonly<Record<string, unknown>>): void
  info(sentence: string, facts?: Readonly<Record<string, unknown>>): void
  warn(sentence: string, facts?: Readonly<Record<string, unknown>>): void
  error(sentence: string, facts?: Readonly<Record<string, unknown>>): void
  /** A log whose every line carries these facts too. */
  with(facts: Readonly<Record<string, unknown>>): Log
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** One JSON object a line on stderr. An Error under `error` is written with its stack and causes. */
export function makeLog(program: string, level: LogLevel = 'info'): Log {
  return wrap(
    pino(
      { name: program, level, serializers: { error: pino.stdSerializers.errWithCause } },
      pino.destination(2),
    ),
  )
}

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLog,
}

function wrap(logger: Logger): Log {
  return {
    debug: (sentence, facts) => logger.debug(facts ?? {}, sentence),
    info: (sentence, facts) => logger.info(facts ?? {}, sentence),
    warn: (sentence, facts) => logger.warn(facts ?? {}, sentence),
    error: (sentence, facts) => logger.error(facts ?? {}, sentence),
    with: (facts) => wrap(logger.child({ ...facts })),
  }
}
