import { cpSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build as bundle, type Plugin } from 'esbuild'

/** Where this file was compiled to. */
export const build = dirname(fileURLToPath(new URL('../../../package', import.meta.url)))

/** Programs, and the files that start where they would lie as a module of their own. */
const bundled = [
  ['coordinator/main.js', 'coordinator/main.js'],
  ['node-agent/main.js', 'node-agent/main.js'],
  ['node-agent/runtimes/process-starter-main.js', 'node-agent/process-starter-main.js'],
] as const

/**
 * A copy of this build below a folder like the project's, with the same packages. `change` may edit it first; then each
 * program is made one file, which starts in a third of the time: a schedule starts a dozen.
 */
export async function copyBuild(change: (copy: string) => void = () => undefined): Promise<BuildCopy> {
  const folder = mkdtempSync(join(tmpdir(), 'spell-build-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    const root = dirname(build)
    for (const name of ['node_modules', 'proto', 'package.json'])
      symlinkSync(join(root, name), join(folder, name))
    const copy = join(folder, 'dist')
    cpSync(build, copy, { recursive: true })
    change(copy)
    for (const [entry, outfile] of bundled) await bundleProgram(join(copy, entry), join(copy, outfile))
    return { folder: copy, remove }
  } catch (error) {
    remove()
    throw error
  }
}

export interface BuildCopy {
  readonly folder: string
  remove(): void
}

async function bundleProgram(entry: string, outfile: string): Promise<void> {
  const made = `${outfile}.bundled`
  await bundle({
    ...{ entryPoints: [entry], outfile: made, bundle: true, platform: 'node', target: 'node20' },
    ...{ format: 'esm', logLevel: 'error', plugins: [ownPlaces] },
    // Only what talks to an engine over SSH asks for it.
    external: ['ssh2'],
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  })
  renameSync(made, outfile)
}

/** Packages that look for files beside their own find them where they are. */
const ownPlaces: Plugin = {
  name: 'own-places',
  setup(build) {
    build.onLoad({ filter: /[/\\]node_modules[/\\].*\.c?js$/ }, async ({ path }) => {
      const contents = await readFile(path, 'utf8')
      if (!/\b__(dirname|filename)\b/.test(contents)) return undefined
      const places = `var __filename = ${JSON.stringify(path)}, __dirname = ${JSON.stringify(dirname(path))};`
      return { contents: `${places}\n${contents}`, loader: 'js' }
    })
  },
}
