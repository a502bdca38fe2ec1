import { dirname, join } from 'node:path'
import { build } from 'esbuild'

/**
 * Makes the command line as two files of `folder`: `spell.cjs`, which answers `--version` and `--help` and starts the
 * rest fast, and `main.cjs`, everything that `entry` (cli/main.js) imports. What is imported dynamically runs only when
 * asked for.
 */
export async function bundleCommandLine({ entry, folder }) {
  const usual = {
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    charset: 'ascii',
    minifySyntax: true,
    minifyWhitespace: true,
    minifyIdentifiers: true,
    keepNames: false,
    legalComments: 'none',
    logLevel: 'warning',
  }
  await build({
    ...usual,
    entryPoints: [entry],
    outfile: join(folder, 'main.cjs'),
    // The launcher calls it: see cli/launcher.ts.
    banner: { js: '(function(exports,require,module,__filename,__dirname){' },
    footer: { js: '})' },
  })
  await build({
    ...usual,
    entryPoints: [join(dirname(entry), 'launcher.js')],
    outfile: join(folder, 'spell.cjs'),
    banner: { js: '#!/usr/bin/env node' },
  })
}
