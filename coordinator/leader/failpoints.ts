/** Every failpoint of the leader, each beside an await or a hand-over to the commit queue; tests walk the whole list. */
export const leaderFailpoints = [
  'submit.before-commit',
  'submit.after-commit',
  'assign.before-commit',
  'assign.after-commit',
  'report.before-commit',
  'report.after-commit',
  'report.after-answer',
  'hello.before-commit',
  'hello.after-commit',
  'steer.before-commit',
  'steer.after-commit',
  'archive.before-write',
  'archive.after-write',
  'archive.after-naming',
  'archive.after-deletes',
] as const

export type LeaderFailpoint = (typeof leaderFailpoints)[number]
