import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../setup/built.mjs'

/** Runs AVA on this terminal and returns how many tests passed and how many did not, whatever the reason. */
export async function runAva(words, environment = {}) {
  const ava = join(root, 'node_modules/ava/entrypoints/cli.mjs')
  const colour = process.stdout.isTTY ? ['--color'] : []
  const child = spawn(process.execPath, [ava, ...colour, ...words], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  let end = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    process.stdout.write(text)
    end = (end + text).slice(-200_000)
  })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (exit) => resolve(exit ?? 1))
  })
  return countsOf(end, code)
}

/** From the lines at the end of AVA's report: `12 tests passed`, `1 test failed`, `1 uncaught exception` … */
export function countsOf(report, code) {
  const plain = report.replace(/\u001b\[[\d;]*m/g, '')
  const sum = (pattern) => [...plain.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)
  const passed = sum(/^\s*(\d+) tests? passed/gm)
  const failed =
    sum(/^\s*(\d+) tests? failed/gm) +
    sum(/^\s*(\d+) (?:hooks? failed|tests? remained pending|uncaught exceptions?|unhandled rejections?)/gm)
  return { passed, failed: code === 0 ? failed : Math.max(1, failed) }
}
