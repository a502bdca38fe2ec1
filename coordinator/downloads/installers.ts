import type { Archives } from './archives.js'

/** A script that installs one kind of archive and then starts `spell` with the words it was given. */
interface Installer {
  /** Before the version in the archive's name. */
  readonly archive: string
  /** What `uname -sm` says of a machine, as patterns of a shell's `case`, and what the archive calls it. */
  readonly platforms: readonly (readonly [patterns: string, platform: string])[]
}

const linux = [
  ["'Linux x86_64'", 'linux-x64'],
  ["'Linux aarch64' | 'Linux arm64'", 'linux-arm64'],
] as const
const installers: ReadonlyMap<string, Installer> = new Map([
  ['node.sh', { archive: 'spell-node', platforms: linux }],
  [
    'cli.sh',
    {
      archive: 'spell',
      platforms: [...linux, ["'Darwin x86_64'", 'darwin-x64'], ["'Darwin arm64'", 'darwin-arm64']],
    },
  ],
])

export const installerNames: readonly string[] = [...installers.keys()]

/**
 * The same for the same archives, whoever serves it: a pasted line has its hash. Undefined: there is no such script, or no
 * archive for it.
 */
export function installerScript(name: string, archives: Archives): string | undefined {
  const installer = installers.get(name)
  if (!installer) return undefined
  const cases = installer.platforms.flatMap(([patterns, platform]) => {
    const archive = newest(`${installer.archive}-`, `-${platform}.tar.gz`, archives)
    const hash = archive && archives.hashes.get(archive)
    return hash === undefined ? [] : [`  ${patterns}) archive=${archive} hash=${hash} ;;`]
  })
  return cases.length === 0 ? undefined : script(name, cases.join('\n'))
}

/** Of the archives of one kind the one with the highest version. */
function newest(before: string, after: string, { hashes }: Archives): string | undefined {
  return [...hashes.keys()]
    .filter((name) => name.startsWith(before) && name.endsWith(after))
    .filter((name) => /^\d/.test(name.slice(before.length)))
    .toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }))
    .at(-1)
}

/** For any POSIX shell, and tools that the smallest Debian has. */
const script = (name: string, cases: string): string => `#!/bin/sh
# Installs spell, then starts it with WORDS:  sh ${name} HOST:PORT[,HOST:PORT...] [WORD...]
# The archive comes from the first coordinator named that has it, and counts only if its hash is the one below.
# SPELL_INSTALL_DIR and SPELL_BIN_DIR say where it goes; SPELL_JOIN_TOKEN is for spell alone.
set -euf
umask 022

fail() {
  echo "$*" >&2
  exit 1
}

# What this script starts has no business with the token, spell at its end excepted.
token="\${SPELL_JOIN_TOKEN-}"
unset SPELL_JOIN_TOKEN || true

[ $# -gt 0 ] || fail 'Say where the archive comes from: sh ${name} HOST:PORT'
from="$1"
shift
machine="$(uname -sm)"
case "$machine" in
${cases}
  *) fail "There is no archive of spell for this machine ($machine) on this cluster." ;;
esac
if [ -e /etc/alpine-release ]; then
  fail 'spell needs a Linux with the GNU C library (glibc 2.28 or newer); Alpine has another one (musl).'
fi

if [ "$(id -u)" = 0 ]; then
  home="\${SPELL_INSTALL_DIR-/opt/spell}"
  bin="\${SPELL_BIN_DIR-/usr/local/bin}"
else
  [ -n "\${HOME-}\${SPELL_INSTALL_DIR-}" ] || fail 'HOME is not set: export HOME, or SPELL_INSTALL_DIR and SPELL_BIN_DIR.'
  home="\${SPELL_INSTALL_DIR-\${HOME-}/.local/share/spell}"
  bin="\${SPELL_BIN_DIR-\${HOME-}/.local/bin}"
fi
case "$home" in /*) ;; *) home="$PWD/$home" ;; esac
case "$bin" in /*) ;; *) bin="$PWD/$bin" ;; esac
target="$home/\${archive%.tar.gz}-$(echo "$hash" | cut -c 1-12)"
part="$home/.part.$$"
new="$home/.new.$$"

clean() {
  rm -rf "$part" "$new"
}

# What went wrong, and how much room there was for it.
no_room() {
  clean
  free="$(df -Pk "$home" | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4)"
  fail "$1 Free in $home: $((free / 1024)) MB, and about 300 MB are needed. SPELL_INSTALL_DIR names another folder."
}

fetch() {
  if command -v curl >/dev/null; then
    curl -fsSk --connect-timeout 10 --speed-limit 1000 --speed-time 60 -o "$part" "https://$1/$archive"
  else
    wget -q --timeout=60 --tries=1 --no-check-certificate -O "$part" "https://$1/$archive"
  fi
}

hash_of() {
  sum="$(sha256sum <"$1" 2>/dev/null || shasum -a 256 <"$1")"
  echo "\${sum%% *}"
}

install_archive() {
  command -v curl >/dev/null || command -v wget >/dev/null || fail 'Neither curl nor wget is here: install one of them.'
  command -v sha256sum >/dev/null || command -v shasum >/dev/null || fail 'Neither sha256sum nor shasum is here: install coreutils.'
  command -v tar >/dev/null && command -v gzip >/dev/null || fail 'tar and gzip are needed to unpack spell: install them.'
  mkdir -p "$home" 2>/dev/null || fail "$home cannot be made or written: SPELL_INSTALL_DIR names another folder."
  [ -w "$home" ] || fail "$home cannot be written: SPELL_INSTALL_DIR names another folder."
  trap clean EXIT
  trap 'exit 1' HUP INT TERM
  echo "Fetching $archive..." >&2
  got=
  addresses="$from,"
  while [ -z "$got" ] && [ -n "$addresses" ]; do
    if fetch "\${addresses%%,*}"; then got=1; else addresses="\${addresses#*,}"; fi
  done
  [ -n "$got" ] || no_room "$archive could not be fetched from $from."
  [ "$(hash_of "$part")" = "$hash" ] || fail "$archive is not the one that was promised (its hash differs): ask for a new line."
  mkdir "$new"
  tar -xzf "$part" -C "$new" --strip-components=1 || no_room "$archive could not be unpacked."
  rm -f "$part"
  said="$("$new/bin/spell" --version 2>&1)" || case "$said" in
    *ermission*denied*) fail "Programs cannot be started in $home, which may be mounted noexec: SPELL_INSTALL_DIR names another folder." ;;
    *GLIBC* | *'not found'*) fail "This machine's C library is too old or another one; spell needs glibc 2.28 or newer. It said: $said" ;;
    *) fail "spell does not start on this machine: $said" ;;
  esac
  [ -d "$target" ] || mv "$new" "$target"
  clean
}

link() {
  if [ -e "$bin/spell" ] && [ ! -L "$bin/spell" ]; then
    echo "$bin/spell is another program and stays; spell is $target/bin/spell." >&2
    return
  fi
  if ! { mkdir -p "$bin" && ln -s "$target/bin/spell" "$bin/.spell.$$" && mv -f "$bin/.spell.$$" "$bin/spell"; }; then
    echo "$bin cannot be written; spell is $target/bin/spell." >&2
    return
  fi
  echo "Installed $("$bin/spell" --version): $bin/spell" >&2
  case ":$PATH:" in
    *":$bin:"*) ;;
    *) echo "$bin is not in your PATH: export PATH=\\"$bin:\\$PATH\\"" >&2 ;;
  esac
}

[ -x "$target/bin/spell" ] || install_archive
link
[ $# -gt 0 ] || exit 0
if [ -n "$token" ]; then
  export SPELL_JOIN_TOKEN="$token"
fi
exec "$target/bin/spell" "$@"
`
