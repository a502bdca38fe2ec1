import type { RunSpec } from '../../proto/model/run-spec.js'

/** Looks at one thing that a run asks for and returns the sentence that refuses it. */
export type Rule = (spec: RunSpec) => string | undefined

/** A rule with what it looks at: a field of SubmitRequest, in the names of the .proto files. */
export type FieldRule = readonly [field: string, rule: Rule]

/** What the first rule that refuses has to say, and of which field. */
export function violation(
  rules: readonly FieldRule[],
  spec: RunSpec,
): { readonly field: string; readonly reason: string } | undefined {
  for (const [field, rule] of rules) {
    const reason = rule(spec)
    if (reason !== undefined) return { field, reason }
  }
  return undefined
}

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
