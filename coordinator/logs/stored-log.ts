import type { FileHandle } from 'node:fs/promises'

/** A log as it lies in the store, open for reading: a file of its own, or a piece of a pack. */
export interface StoredLog {
  /** Fills `buffer` from `position` on, as far as there is something. */
  read(buffer: Buffer, from: number, length: number, position: number): Promise<{ bytesRead: number }>
  /** What is durable, in bytes. */
  durableLength(): Promise<number>
  close(): Promise<void>
}

export function inFile(file: FileHandle): StoredLog {
  return {
    read: (buffer, from, length, position) => file.read(buffer, from, length, position),
    async durableLength() {
      // Whoever wrote it may have ended before it was synced; what comes behind this length does not count.
      const { size } = await file.stat()
      await file.datasync()
      return size
    },
    close: () => file.close(),
  }
}

export function inMemory(bytes: Buffer): StoredLog {
  return {
    read: async (buffer, from, length, position) => ({
      bytesRead: bytes.copy(buffer, from, position, position + length),
    }),
    durableLength: async () => bytes.length,
    close: async () => undefined,
  }
}
