import { type JournalSettings, journalDefaults } from '../../../node-agent/journal/journal.js'

/** Segments so small that every test goes through many. */
export function testSettings(folder: string): JournalSettings {
  return { ...journalDefaults, folder, segmentBytes: 1 << 16, gapMs: 0, busyGapMs: 0 }
}
