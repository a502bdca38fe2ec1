export interface CodeCacheSettings {
  /** Belongs to the cache alone. */
  readonly folder: string
  readonly maxBytes: number
  readonly maxCount: number
}

/** Pristine bare repositories, one a pack, the least recently used going first when there are too many. */
export class CodeCache {
  readonly settings: CodeCacheSettings

  constructor(settings: CodeCacheSettings) {
    this.settings = settings
  }
}
