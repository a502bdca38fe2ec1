/** A place in the compiled programs that keeps a rule, and what stands there when it is taken away. */
export interface Guard {
  readonly name: string
  /** Below the build's folder. */
  readonly file: string
  /** Without regard to blanks and line ends; it must be there once. */
  readonly text: string
  readonly instead: string
  /** Kinds of faults in which something depends on it. */
  readonly shownBy: readonly string[]
  /** What the checks say without it, so that trouble of another kind is not taken for it. */
  readonly seenAs: RegExp
}

export const guards: readonly Guard[] = [
  {
    name: 'a transaction compares the election key',
    file: 'coordinator/store/commit-sender.js',
    text: "{ kind: 'createRevision', key: keys.leader, equals: leadership.createRevision },",
    instead: '',
    shownBy: ['stale-request'],
    seenAs: /term \d+ wrote|commit \d+ follows/,
  },
  {
    name: 'a transaction compares the commit record',
    file: 'coordinator/store/commit-sender.js',
    text: 'unchanged(keys.commit, this.#stored.value),',
    instead: '',
    shownBy: ['late-requests'],
    seenAs: /commit \d+ follows|term \d+ wrote|went from|counter/,
  },
  {
    name: 'of an unknown outcome the commit record is read',
    file: 'coordinator/store/commit-sender.js',
    text: 'return this.#resolve(next);',
    instead: "return 'done';",
    shownBy: ['lose-request'],
    seenAs: /./,
  },
  {
    name: 'a winner has read back the key with its own lease',
    file: 'coordinator/store/election.js',
    text: 'if (entry?.leaseId !== candidacy.leaseId)',
    instead: 'if (entry === undefined)',
    shownBy: ['race-election'],
    seenAs: /term \d+ wrote|commit \d+ follows|went from/,
  },
  {
    name: 'a leader ends with its lease, by its own clock',
    file: 'coordinator/store/leadership.js',
    text: 'if (now >= this.#validUntil) {',
    instead: 'if (false) {',
    shownBy: ['lose-node-with-leader'],
    seenAs: /still ran on .* after it was given up/,
  },
  {
    name: 'a request id answers the run that it made',
    file: 'coordinator/leader/request-ids.js',
    text: 'return known?.runId;',
    instead: 'return undefined;',
    shownBy: ['cut-users-answers', 'kill-leader', 'kill-after-commit'],
    seenAs: /the ids are not|the list has|did the work of|was answered/,
  },
  {
    name: 'reports of the current attempt alone are taken in',
    file: 'coordinator/agents/take-reports.js',
    text: 'if (!entry || !isCurrent(entry, id, sender.nodeId)) {',
    instead: 'if (!entry) {',
    shownBy: ['lose-node', 'suspend', 'late-outputs'],
    seenAs: /^(run|outputs of run|the outputs) |took report|went from/,
  },
  {
    name: 'logs of the current attempt alone are kept',
    file: 'coordinator/rpc/node-handlers.js',
    text: 'if (!call.leader.isCurrentAttempt(id, call.nodeId)) return { id, durableBytes: 0, refused: true };',
    instead: '',
    shownBy: ['lose-node', 'suspend'],
    seenAs: /the log of attempt \S+ grew/,
  },
  {
    name: 'outputs of the current attempt alone are stored',
    file: 'coordinator/rpc/node-handlers.js',
    text: "if (!call.leader.isCurrentAttempt(id, call.nodeId)) throw new RpcError('FAILED_PRECONDITION'",
    instead: "if (false) throw new RpcError('FAILED_PRECONDITION'",
    shownBy: ['late-outputs'],
    seenAs: /outputs of attempt \S+ came/,
  },
  {
    name: 'devices are free when their agent has said so',
    file: 'coordinator/core/run-changes.js',
    text: 'report.released ? release(counted, report.id.attempt) : counted',
    instead: 'release(counted, report.id.attempt)',
    shownBy: [],
    seenAs: /was promised to|found its device/,
  },
  {
    name: 'a report is on the disk before it is sent',
    file: 'node-agent/attempts/attempt.js',
    text: "await this.#parts.journal.append('report', this.id, encodeReport({ report, atMs })); this.#parts.onReport(report);",
    instead:
      "this.#parts.onReport(report); await this.#parts.journal.append('report', this.id, encodeReport({ report, atMs }));",
    shownBy: ['lose-power-after-reports'],
    seenAs: /lost report \d+/,
  },
  {
    name: 'a node ends in time what may be repeated elsewhere',
    file: 'node-agent/fence.js',
    text: "if (!replaceable || attempt.released || attempt.progress === 'over')",
    instead: 'if (true)',
    shownBy: ['lose-node', 'lose-node-with-leader'],
    seenAs: /still ran on .* after it was given up/,
  },
]

/** Throws where the text does not stand in `source` once: the program has changed, and this list must too. */
export function without({ name, text, instead }: Guard, source: string): string {
  const pattern = text
    .split(/\s+/)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('\\s+')
  const found = [...source.matchAll(new RegExp(pattern, 'g'))]
  if (found.length !== 1) throw new Error(`"${name}" stands in the program ${found.length} times: ${text}`)
  return source.replace(found[0]?.[0] ?? '', () => instead)
}
