import { build } from 'esbuild'

/** Makes `<folder>/spell.cjs`: the command line with everything it imports. What is imported dynamically runs only when asked for. */
export async function bundleCommandLine({ entry, folder }) {
  await build({
    entryPoints: [entry],
    outfile: `${folder}/spell.cjs`,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: false,
    legalComments: 'none',
    banner: { js: '#!/usr/bin/env node' },
    logLevel: 'warning',
  })
}
