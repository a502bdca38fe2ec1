import type { RunSpec } from '../../proto/model/run-spec.js'
import type { FieldRule } from './rule.js'
import { byteLength, hasControlCharacters } from './text.js'

/** Where a run's code comes from. */
export const codeRules: readonly FieldRule[] = [
  ['spec.code.synced', repository],
  ['spec.code.synced.working_directory', workingDirectory],
  ['spec.code.synced', hashes],
  ['spec.code.git', gitUrl],
]

function repository({ code }: RunSpec): string | undefined {
  if (code.kind !== 'synced') return undefined
  const name = code.repositoryName
  if (name === '' || name === '.' || name === '..' || name.includes('/') || byteLength(name) > 255)
    return `"${name.slice(0, 40)}" can't be the name of the repository's folder.`
  if (hasControlCharacters(name) || hasControlCharacters(code.commitSubject))
    return "The repository's name or the commit's subject has a control character."
  return byteLength(code.commitSubject) > 16_384
    ? "The commit's subject is longer than 16,384 bytes."
    : undefined
}

function workingDirectory({ code }: RunSpec): string | undefined {
  if (code.kind !== 'synced') return undefined
  const path = code.workingDirectory
  if (
    path.startsWith('/') ||
    path.split('/').includes('..') ||
    path.includes('\0') ||
    byteLength(path) > 4_096
  )
    return 'The working directory is no path inside the repository.'
  return undefined
}

/** Git's object names are SHA-1 or SHA-256. */
const gitHash = /^([0-9a-f]{40}|[0-9a-f]{64})$/

function hashes({ code }: RunSpec): string | undefined {
  if (code.kind !== 'synced') return undefined
  if (!gitHash.test(code.commitHash) || !gitHash.test(code.treeHash))
    return 'The commit and its tree are named by their full hashes in lower-case hex.'
  return /^[0-9a-f]{64}$/.test(code.packSha256)
    ? undefined
    : "The code's pack is named by its SHA-256 in lower-case hex."
}

/** `file://` and plain paths would be read on the node. */
const gitUrlForms = [
  /^https?:\/\/[^/\s-][^\s]*$/,
  /^ssh:\/\/[^/\s-][^\s]*$/,
  /^[A-Za-z0-9_.]+@[A-Za-z0-9.-]+:[^\s]+$/,
]

function gitUrl({ code }: RunSpec): string | undefined {
  if (code.kind !== 'git') return undefined
  const known = gitUrlForms.some((form) => form.test(code.url)) && byteLength(code.url) <= 4_096
  if (!known || hasControlCharacters(code.url))
    return `--github-url takes https://, http://, ssh:// and user@host:path, not ${JSON.stringify(code.url.slice(0, 80))}.`
  if (code.ref.startsWith('-') || hasControlCharacters(code.ref) || byteLength(code.ref) > 1_024)
    return `--github-ref can't be ${JSON.stringify(code.ref.slice(0, 80))}.`
  return undefined
}
