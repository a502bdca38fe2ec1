import type { RunSpec } from '../../proto/model/run-spec.js'

/** Looks at one thing that a run asks for and returns the sentence that refuses it. */
export type Rule = (spec: RunSpec) => string | undefined

/** The first rule that refuses, in the order of the list. */
export function refusal(rules: readonly Rule[], spec: RunSpec): string | undefined {
  return first(rules, (rule) => rule(spec))
}

/** What the first item with something to say has to say. */
export function first<Item>(
  items: readonly Item[],
  refuse: (item: Item) => string | undefined,
): string | undefined {
  for (const item of items) {
    const reason = refuse(item)
    if (reason !== undefined) return reason
  }
  return undefined
}
