/** `bin/spell`: starts the command line with the Node beside it, also through links from elsewhere. */
export const unixLauncher = `#!/bin/sh
self="$0"
while [ -L "$self" ]; do
  to="$(PATH="\${PATH-}:/usr/bin:/bin" readlink "$self")"
  case "$to" in
    /*) self="$to" ;;
    *) self="\${self%/*}/$to" ;;
  esac
done
case "$self" in */*) ;; *) self="./$self" ;; esac
here="\${self%/*}"
exec "$here/node" "$here/../dist/bundle/spell.cjs" "$@"
`

export const windowsLauncher = `@"%~dp0node.exe" "%~dp0..\\dist\\bundle\\spell.cjs" %*\r\n`
