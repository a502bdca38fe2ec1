import { Failure } from '../failure.js'

export interface MountWish {
  readonly resource: string
  /** Absolute, or relative to the run's working directory. */
  readonly path: string
}

/** `RESOURCE[:PATH]`; without PATH the resource's base name. Throws Failure('configuration') on anything else. */
export function parseMount(written: string): MountWish {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(written)?.[0] ?? ''
  const parts = written.slice(scheme.length).split(':')
  const [name = '', path] = parts
  const resource = name.replace(/\/+$/, '')
  if (parts.length > 2 || resource === '' || path === '' || /[\u0000-\u001f]/.test(written))
    throw incorrect(written)
  if (parts.some((part) => part.split('/').includes('..'))) throw incorrect(written)
  const base = resource.slice(resource.lastIndexOf('/') + 1)
  if (path === undefined && base === '.') throw incorrect(written)
  return { resource: scheme + resource, path: withoutSlashes(path) ?? base }
}

function withoutSlashes(path: string | undefined): string | undefined {
  return path === undefined ? undefined : path.replace(/\/+$/, '') || '/'
}

function incorrect(written: string): Failure {
  return new Failure(
    'configuration',
    `Incorrect formatting of mount '${written}', it must be <resource_path>[:<mount_path>]`,
  )
}
