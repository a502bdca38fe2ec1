import type { AttachedFile, RunSpec } from '../../proto/model/run-spec.js'
import { type FieldRule, first } from './rule.js'
import { byteLength, hasControlCharacters, limitOf } from './text.js'

/** What a run finds around its command: image, packages, mounts, variables. */
export const environmentRules: readonly FieldRule[] = [
  ['spec.env', environmentVariables],
  ['spec.environment.docker_image', imageName],
  ['spec.environment', oneBase],
  ['spec.environment.conda_file', condaAlone],
  ['spec.environment.framework', frameworkName],
  ['spec.environment.pip_packages', pipPackages],
  ['spec.environment.apt_packages', aptPackages],
  ['spec.environment', attachedFiles],
  ['spec.mounts', mounts],
  ['spec.tensorboard_dir', tensorboardDir],
]

/** One string of an argument list or environment may have 128 KiB with its end (Linux, MAX_ARG_STRLEN). */
const longestVariableBytes = 131_071
const allVariablesBytes = 262_144

function environmentVariables({ env }: RunSpec): string | undefined {
  const whole = env.reduce((sum, { name, value }) => sum + byteLength(name) + byteLength(value) + 2, 0)
  if (whole > allVariablesBytes)
    return `The environment variables have ${whole} bytes together; they may have ${allVariablesBytes}.`
  return (
    limitOf('environment variables', env, 1_000) ??
    first(env, ({ name, value }) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
        return `${JSON.stringify(name.slice(0, 80))} is no name of an environment variable: letters, digits and _ only, no digit first.`
      if (/^NVIDIA_/i.test(name))
        return `The environment variable ${name} is refused: names that begin with NVIDIA_ say which GPUs a container gets, and that is decided by the machine type.`
      if (value.includes('\0')) return `The value of ${name} has a NUL character.`
      if (byteLength(name) + 1 + byteLength(value) > longestVariableBytes)
        return `The environment variable ${name} is longer than ${longestVariableBytes} bytes.`
      return undefined
    })
  )
}

/** `[domain[:port]/][repository/]name[:tag][@sha256:…]`: https://pkg.go.dev/github.com/distribution/reference */
const imageForm =
  /^([A-Za-z0-9.-]+(:\d{1,5})?\/)?[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/

function imageName({ environment: { dockerImage } }: RunSpec): string | undefined {
  return dockerImage === undefined ? undefined : imageRefusal('--from', dockerImage)
}

export function imageRefusal(option: string, image: string): string | undefined {
  if (image.length <= 512 && imageForm.test(image)) return undefined
  return `${option} takes [domain/][repository/]name[:tag], not ${JSON.stringify(image.slice(0, 80))}.`
}

function oneBase({ environment }: RunSpec): string | undefined {
  const { framework, dockerImage, condaFile } = environment
  const given = [framework, dockerImage, condaFile].filter((base) => base !== undefined)
  return given.length > 1
    ? 'Only one of the following options can be specified: --framework, --from, --conda-file'
    : undefined
}

function condaAlone({ environment }: RunSpec): string | undefined {
  const { condaFile, pipPackages, pipRequirements } = environment
  return condaFile && pipPackages.length + pipRequirements.length > 0
    ? '--pip or --pip-req cannot be specified when using a conda environment. You can include the pip installs in the conda environment file instead.'
    : undefined
}

const frameworks = ['default', 'tensorflow', 'tensorflow2', 'pytorch', 'fastai']

function frameworkName({ environment: { framework } }: RunSpec): string | undefined {
  if (framework === undefined || frameworks.includes(framework)) return undefined
  return `There is no framework ${JSON.stringify(framework.slice(0, 80))}; there are ${frameworks.join(', ')}.`
}

function pipPackages({ environment: { pipPackages } }: RunSpec): string | undefined {
  return packages('--pip', pipPackages, /^([A-Za-z0-9][^\s;]*|https?:\/\/\S+)/)
}

function aptPackages({ environment: { aptPackages } }: RunSpec): string | undefined {
  return packages(
    '--apt',
    aptPackages,
    /^[a-z0-9][a-z0-9+.-]*(:[a-z0-9-]+)?\s*((=|==|>=|<=|>|<)\s*[A-Za-z0-9.+:~-]+)?$/,
  )
}

/** A package that began with a dash would be an option of the package manager. */
function packages(option: string, names: readonly string[], form: RegExp): string | undefined {
  return (
    limitOf(`packages with ${option}`, names, 1_000) ??
    first(names, (name) =>
      form.test(name) && !hasControlCharacters(name) && byteLength(name) <= 1_024
        ? undefined
        : `${option} can't take ${JSON.stringify(name.slice(0, 80))}.`,
    )
  )
}

const attachedFileBytes = 1_048_576

function attachedFiles({ environment }: RunSpec): string | undefined {
  const files: AttachedFile[] = [...environment.pipRequirements]
  if (environment.condaFile) files.push(environment.condaFile)
  return (
    limitOf('attached files', files, 20) ??
    first(files, ({ name, contentBase64 }) => {
      if (name === '' || byteLength(name) > 4_096 || hasControlCharacters(name))
        return 'An attached file has no usable name.'
      return Buffer.byteLength(contentBase64, 'base64') > attachedFileBytes
        ? `The file ${name} is larger than ${attachedFileBytes} bytes.`
        : undefined
    })
  )
}

function mounts({ mounts }: RunSpec): string | undefined {
  return (
    limitOf('mounts', mounts, 100) ??
    first(mounts, ({ resource, path }) => {
      const texts = [resource, path]
      const usable = texts.every(
        (text) => text !== '' && byteLength(text) <= 4_096 && !hasControlCharacters(text),
      )
      return usable && !texts.some((text) => text.split('/').includes('..'))
        ? undefined
        : `Incorrect formatting of mount '${`${resource}:${path}`.slice(0, 80)}', it must be <resource_path>[:<mount_path>]`
    })
  )
}

function tensorboardDir({ tensorboardDir }: RunSpec): string | undefined {
  return tensorboardDir !== undefined &&
    (byteLength(tensorboardDir) > 4_096 || hasControlCharacters(tensorboardDir))
    ? '--tensorboard-dir takes a path of at most 4,096 bytes without control characters.'
    : undefined
}
