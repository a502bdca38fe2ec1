/** Of `GET /info` (https://docs.docker.com/reference/api/engine/). */
export interface EngineInfo {
  readonly ServerVersion?: string
  readonly LiveRestoreEnabled?: boolean
  readonly CgroupDriver?: string
  readonly MemoryLimit?: boolean
  readonly CpuCfsQuota?: boolean
  readonly PidsLimit?: boolean
  readonly Driver?: string
  readonly DockerRootDir?: string
  readonly SecurityOptions?: readonly string[]
  readonly Runtimes?: Readonly<Record<string, unknown>>
}

export type Engine =
  | { readonly kind: 'answers'; readonly info: EngineInfo }
  | { readonly kind: 'silent'; readonly reason: string }

export interface Disk {
  /** What is kept there, for people. */
  readonly use: string
  readonly path: string
  readonly freeBytes: number
}

/** One `host:port` of a coordinator, as this machine sees it. */
export interface Dialled {
  readonly address: string
  /** What the host's name leads to; nothing: nowhere. */
  readonly leadsTo: readonly string[]
  /** Why no connection could be made; undefined: it could. */
  readonly trouble: string | undefined
}

export type GpuDriver =
  | { readonly kind: 'none' }
  | { readonly kind: 'lists'; readonly gpus: number }
  | { readonly kind: 'fails'; readonly reason: string }

/** What was found out about a machine that is, or is to be, a node. Whatever judges it needs nothing else. */
export interface MachineFacts {
  readonly platform: string
  readonly isRoot: boolean
  readonly runtime: 'docker' | 'process'
  readonly socketPath: string
  /** Looked for only where runs are containers. */
  readonly engine: Engine | undefined
  /** The kernel can mount overlayfs. */
  readonly overlay: boolean
  readonly staticBusybox: boolean
  readonly git: boolean
  readonly disks: readonly Disk[]
  readonly coordinators: readonly Dialled[]
  /** Of this machine's clock against the coordinator's, milliseconds; positive: it is ahead. Undefined: not known. */
  readonly clockAheadMs: number | undefined
  /** PCI addresses of NVIDIA's GPUs. */
  readonly gpuSlots: readonly string[]
  readonly driver: GpuDriver
  /** A container can be given a GPU. */
  readonly containerToolkit: boolean
}

/** What a check says. An error keeps a machine from joining, a warning doesn't. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'error'
  readonly sentence: string
  /** What helps; missing where nothing is wrong. */
  readonly remedy?: string
}
