// Programs of neighbouring versions work together (docs/upgrades.md). These count what they say to each other; fields that
// are added to messages do not count, as whoever does not know them passes over them.

/** Of the link between agents and the leader. */
export const linkVersion = 1

/** Of what users' programs call. */
export const apiVersion = 1

/** Metadata of a call: the caller's version of the API. A client in another language need not send it. */
export const apiVersionHeader = 'spell-api-version'

export function areNeighbours(one: number, other: number): boolean {
  return Math.abs(one - other) <= 1
}

/** `1 to 2`: what a program of this version takes. */
export function neighboursOf(version: number): string {
  return `${Math.max(1, version - 1)} to ${version + 1}`
}
