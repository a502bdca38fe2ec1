/** Every failpoint of the store, each beside an await; tests walk the whole list. */
export const storeFailpoints = [
  'commit.before-send',
  'commit.after-answer',
  'commit.before-resolve',
  'commit.after-resolve',
  'take-over.before-grant',
  'take-over.after-grant',
  'take-over.before-win',
  'take-over.after-win',
  'take-over.after-read-back',
  'take-over.before-load',
  'take-over.after-load',
  'resign.before-revoke',
  'resign.after-revoke',
] as const

export type StoreFailpoint = (typeof storeFailpoints)[number]
