import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { execa } from 'execa'
import { loggedIn } from './support/logged-in.js'
import { aRun } from './support/runs.js'
import { program, projectRoot } from './support/spell.js'

const { bundleCommandLine } = (await import(pathToFileURL(join(projectRoot, 'ops/bundle.mjs')).href)) as {
  bundleCommandLine(settings: { entry: string; folder: string }): Promise<void>
}

async function bundled(t: ExecutionContext): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'spell-bundle-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  await bundleCommandLine({ entry: program, folder })
  return folder
}

test('the bundle answers --version and --help alone, and keeps what V8 made of the rest', async (t) => {
  const folder = await bundled(t)
  const { env: desk, coordinator } = await loggedIn(t, {
    'Runs/List': () => ({ runs: [aRun(1, ['running'])] }),
  })
  const spell = (...args: string[]) =>
    execa(process.execPath, [join(folder, 'spell.cjs'), ...args], { env: desk, extendEnv: false })
  const first = (await spell('ps')).stdout
  const kept = readdirSync(folder).filter((name) => name.endsWith('.cache'))
  t.is(kept.length, 1)
  t.is((await spell('ps')).stdout, first)
  t.is(coordinator.requestsOf('Runs/List').length, 2)
  const help = (await spell('--help')).stdout
  rmSync(join(folder, 'main.cjs'))
  t.regex((await spell('--version')).stdout, /^spell \d+\.\d+\.\d+$/)
  t.is((await spell('--help')).stdout, help)
  t.is((await spell()).stdout, help)
})

test('a closed pipe ends the program quietly, and other trouble with the output is said', async (t) => {
  const help = async (entry: string, stdout: 'pipe' | number) => {
    const child = spawn(process.execPath, [entry, '--help'], { stdio: ['ignore', stdout, 'pipe'] })
    child.stdout?.destroy()
    const said: Buffer[] = []
    child.stderr?.on('data', (data: Buffer) => said.push(data))
    const [code] = await once(child, 'close')
    return [code, Buffer.concat(said).toString()]
  }
  const full = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(full))
  const noSpace = 'Error: Could not write the output: ENOSPC: no space left on device, write\n'
  for (const entry of [join(await bundled(t), 'spell.cjs'), program]) {
    t.deepEqual(await help(entry, 'pipe'), [0, ''], entry)
    t.deepEqual(await help(entry, full), [1, noSpace], entry)
  }
})
