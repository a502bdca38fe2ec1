import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { messageOf } from '../../common/errors.js'
import type { AttachedFile } from '../../proto/model/run-spec.js'
import { Failure } from '../failure.js'

const maxBytes = 1024 * 1024

/** A file of pip's format. Its packages are looked at where they are installed; here only that it can be one. */
export function readRequirements(written: string, cwd: string): AttachedFile {
  const content = read('--pip-req', written, cwd)
  if (!isUtf8(content) || !logicalLines(content.toString()).every(looksLikeRequirement)) {
    throw new Failure('configuration', 'Pip requirements file could not be parsed')
  }
  return attached(written, content)
}

export function readCondaFile(written: string, cwd: string): AttachedFile {
  return attached(written, read('--conda-file', written, cwd))
}

function read(option: string, written: string, cwd: string): Buffer {
  const path = resolve(cwd, written)
  let content: Buffer
  try {
    content = readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new Failure('configuration', `${option} file not found: ${written}`)
    }
    throw new Failure('configuration', `${option} file ${written} cannot be read: ${messageOf(error)}`, {
      cause: error,
    })
  }
  if (content.length > maxBytes) {
    throw new Failure('configuration', `${option} file ${written} is larger than 1 MiB.`)
  }
  return content
}

function attached(written: string, content: Buffer): AttachedFile {
  return { name: basename(written), contentBase64: content.toString('base64') }
}

/** Without comments and empty lines, and with lines joined that end in a backslash. */
function logicalLines(text: string): readonly string[] {
  return text
    .replace(/\\\r?\n/g, ' ')
    .split(/\r?\n/)
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '')
}

/** https://pip.pypa.io/en/stable/reference/requirements-file-format: an option, a path, a URL or a requirement (PEP 508). */
function looksLikeRequirement(line: string): boolean {
  if (/[\u0000-\u0008\u000b-\u001f]/.test(line)) return false
  if (line.startsWith('-') || /^[a-z+]+:\/\//i.test(line) || /^\.{0,2}\//.test(line)) return true
  if (/\.(whl|zip|tar\.gz)(\s|$)/.test(line)) return true
  return /^[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?\s*(\[[^\]]*\])?\s*(@\s*\S+|\(?\s*((===|~=|==|!=|<=|>=|<|>)\s*[^\s,;)]+\s*,?\s*)*\)?)?\s*(;.*)?(\s+--.*)?$/.test(
    line,
  )
}
