import type { StopTerm } from '../../proto/model/run-spec.js'
import { Failure } from '../failure.js'

/** `METRIC OP VALUE[:MIN_INDEX]`, several joined by `&&`; all of them must hold. Throws Failure('usage'). */
export function parseStopCondition(written: string): readonly StopTerm[] {
  return written.split('&&').map((term) => parseTerm(term, written))
}

function parseTerm(term: string, whole: string): StopTerm {
  const found =
    /^\s*([^<>=\s](?:[^<>=]*[^<>=\s])?)\s*(<=|>=|<|>)\s*([^<>=:]*?)\s*(?::\s*([^<>=:]*?)\s*)?$/.exec(term)
  const [, metric, operator, value, minimum] = found ?? []
  if (metric === undefined || !isOperator(operator) || !value) {
    throw new Failure('usage', `Condition ${whole.trim()} formatted incorrectly`)
  }
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) {
    throw new Failure('usage', 'Condition must be an integer or float')
  }
  if (minimum !== undefined && !(/^\d+$/.test(minimum) && Number.isSafeInteger(Number(minimum)))) {
    throw new Failure('usage', 'Minimum steps must be integer')
  }
  return { metric, operator, value: Number(value), minimumIndex: Number(minimum ?? 0) }
}

function isOperator(text: string | undefined): text is StopTerm['operator'] {
  return text === '<' || text === '>' || text === '<=' || text === '>='
}
