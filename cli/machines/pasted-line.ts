import { invariant } from '../../common/errors.js'
import type { Installer } from './installer.js'

/** Where somebody logs in. */
export interface Destination {
  /** Users' addresses of coordinators, `host:port`. */
  readonly addresses: readonly string[]
  /** SHA-256 of the cluster's authority, in lower-case hex. */
  readonly caSha256: string
}

/** The variable that `spell node join` and `spell coordinator join` take their token from. */
export const joinTokenVariable = 'SPELL_JOIN_TOKEN'

/**
 * One line for a machine that has only a shell and curl or wget: it fetches `node.sh`, compares its hash with the one in
 * the line, and lets it install spell and run `spell WORDS`, such as `spell node join ADDRESSES --ca-hash HASH`. The token
 * is in the environment of that script and of spell alone: never an argument of a program, which every user of the machine
 * could read.
 */
export function joinLine(installer: Installer, words: readonly string[], token: string): string {
  return pastedLine(installer, words, { [joinTokenVariable]: token })
}

/** The like for a laptop: `spell login` at its end asks for the code that goes with it. */
export function laptopLine(installer: Installer, destination: Destination): string {
  const { addresses, caSha256 } = destination
  return pastedLine(installer, ['login', addresses.join(','), '--ca-hash', caSha256], {})
}

/**
 * `words`: what spell is started with once it is installed. For sh, bash and zsh, also as typed by hand: all of it is in
 * a subshell, and there is no exclamation mark in it, which an interactive shell would take for its history.
 */
export function pastedLine(
  installer: Installer,
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
): string {
  const { name, addresses, sha256 } = installer
  const url = `"https://$a/${name}"`
  const steps = [
    'd=$(mktemp -d) || exit 1',
    `trap 'rm -rf "$d"' EXIT`,
    `s="$d/${name}"`,
    `for a in ${addresses.map(quoted).join(' ')}`,
    `do if command -v curl >/dev/null`,
    `then curl -fsSk --connect-timeout 10 -o "$s" ${url}`,
    'elif command -v wget >/dev/null',
    `then wget -q --timeout=10 --tries=1 --no-check-certificate -O "$s" ${url}`,
    `else echo 'Neither curl nor wget is here: install one of them.' >&2`,
    'exit 1',
    'fi && break',
    'done',
    `[ -s "$s" ] || { echo 'No coordinator could be reached that gives the installer.' >&2; exit 1; }`,
    'h=$(sha256sum <"$s" 2>/dev/null || shasum -a 256 <"$s" 2>/dev/null)',
    `[ -n "$h" ] || { echo 'Neither sha256sum nor shasum is here: install coreutils.' >&2; exit 1; }`,
    // What follows the hash differs from program to program.
    `[ "\${h%% *}" = ${sha256} ] || { echo 'The installer is not the one that this line names: ask for a new line.' >&2; exit 1; }`,
    [
      ...Object.entries(environment).map(([variable, value]) => `${variable}=${quoted(value)}`),
      'sh "$s"',
      ...[addresses.join(','), ...words].map(quoted),
    ].join(' '),
  ]
  // Each step that a keyword opens goes on from the one before: a semicolon may stand before every one of them.
  return `(${steps.join('; ')})`
}

function quoted(word: string): string {
  invariant(/^[!-&(-~]+$/.test(word) && !word.includes('!'), 'a word of a pasted line is plain ASCII')
  return /^\w[\w.,:@%+=/-]*$|^--[\w-]+$/.test(word) ? word : `'${word}'`
}
