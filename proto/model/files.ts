/** An entry of a listing. Field meanings and units: proto/spell/v1/api.proto. */
export interface FileEntry {
  /** Whole, from the head on; ends in `/` for a directory. */
  readonly path: string
  readonly kind: 'file' | 'directory' | 'link'
  /** Of a directory: all that is below it. */
  readonly sizeBytes: number
  /** 0: unknown. Of a directory: the newest below it. */
  readonly modifiedAtMs: number
  readonly linkTarget: string
  readonly mode: number
  readonly runUnfinished: boolean
}

/** Some bytes of a file that is read; the first part of each file brings its entry. */
export interface FilePart {
  readonly entry: FileEntry | undefined
  readonly data: Uint8Array
}

/** The header of a file that is saved. Its hash and its true size come with the manifest at the end. */
export interface OutputFile {
  /** Relative to `runs/<id>`. */
  readonly path: string
  /** Permission bits. */
  readonly mode: number
  readonly modifiedAtMs: number
  /** What it measured when it was opened: it brings so many bytes, or fewer when it changes meanwhile, never more. */
  readonly sizeBytes: number
}

/**
 * A piece of an attempt's outputs. `file` begins a file; `data` in the same or a following part belongs to the file begun
 * last; after the last file the manifest's bytes follow, in as many parts as it takes.
 */
export interface OutputPart {
  readonly file: OutputFile | undefined
  readonly data: Uint8Array
  readonly manifest: Uint8Array
}
