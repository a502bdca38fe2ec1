/** What a run is asked to be. Fixed at submission. Field meanings and units: proto/spell/v1/run.proto. */
export interface RunSpec {
  readonly kind: 'user' | 'workspace' | 'tensorboard'
  readonly command: string
  readonly machine: MachineRequest
  /** More than 1 is a gang. */
  readonly nodeCount: number
  readonly code: Code
  readonly environment: Environment
  readonly mounts: readonly Mount[]
  readonly env: readonly EnvironmentVariable[]
  /** Alternatives; within one, all terms must hold. */
  readonly stopConditions: readonly (readonly StopTerm[])[]
  readonly limits: Limits
  readonly labels: readonly string[]
  readonly project: string | undefined
  readonly description: string
  readonly resumeFrom: number | undefined
  readonly tensorboardDir: string | undefined
  readonly idempotent: boolean
  readonly hyperparameters: Readonly<Record<string, string>>
}

export type MachineRequest =
  | { readonly kind: 'type'; readonly name: string }
  | {
      readonly kind: 'capability'
      readonly gpuCount: number
      readonly gpuModels: readonly string[]
      readonly gpuMemoryBytes: number
      readonly cpus: number
      readonly memoryBytes: number
      readonly diskBytes: number
      readonly nodeLabels: readonly string[]
    }

export type Code =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'synced'
      readonly repositoryName: string
      readonly workingDirectory: string
      readonly commitHash: string
      readonly treeHash: string
      readonly packSha256: string
      readonly commitSubject: string
    }
  | { readonly kind: 'git'; readonly url: string; readonly ref: string }

export interface Environment {
  readonly framework: string | undefined
  readonly dockerImage: string | undefined
  readonly pipPackages: readonly string[]
  readonly pipRequirements: readonly AttachedFile[]
  readonly aptPackages: readonly string[]
  readonly condaFile: AttachedFile | undefined
  readonly rebuild: boolean
}

export interface AttachedFile {
  readonly name: string
  /** UTF-8 text or any bytes, in base64: these are kept as JSON. */
  readonly contentBase64: string
}

export interface Mount {
  readonly resource: string
  readonly path: string
}

export interface EnvironmentVariable {
  readonly name: string
  readonly value: string
}

export interface StopTerm {
  readonly metric: string
  readonly operator: '<' | '>' | '<=' | '>='
  readonly value: number
  readonly minimumIndex: number
}

export interface Limits {
  /** Counts Running only. */
  readonly timeoutMs: number | undefined
  readonly graceMs: number | undefined
  readonly autoResume: 'default' | 'on' | 'off'
  readonly diskBytes: number | undefined
}
