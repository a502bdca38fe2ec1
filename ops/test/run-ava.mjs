import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { root } from '../setup/built.mjs'
import { howToBeRoot, rootWords } from '../setup/root.mjs'

/** Runs AVA on this terminal and returns how many tests passed and how many did not, whatever the reason, and their names. */
export async function runAva(words, environment = {}) {
  const ava = join(root, 'node_modules/ava/entrypoints/cli.mjs')
  const colour = process.stdout.isTTY ? ['--color'] : []
  const env = { ...process.env, ...environment }
  const [program, ...args] = asTestsNeed([process.execPath, ava, ...colour, ...words], env)
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env })
  let end = ''
  const names = []
  let good = 0
  child.stdout.setEncoding('utf8').on('data', (text) => {
    process.stdout.write(text)
    end = (end + text).slice(-200_000)
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (/^\s*✔ /u.test(plain(line))) good += 1
    const name = failedIn(line)
    if (name !== undefined && names.length < mostNames) names.push(name)
  })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (exit) => resolve(exit ?? 1))
  })
  // With a failure AVA does not say how many passed.
  return { passed: good, failed: failedOf(end, code), names }
}

/**
 * Tests make engines, small disks and other users: who is not root runs them by sudo, which drops the environment, with
 * root's own home, so that nothing of root's is left in the user's.
 */
function asTestsNeed(words, env) {
  if (howToBeRoot() !== 'sudo') return words
  const kept = Object.entries(env).filter(([name]) =>
    /^(PATH|LANG|LC_.*|TZ|CI|SPELL_.*|NODE_.*|.*_proxy)$/i.test(name),
  )
  return rootWords(['env', 'HOME=/root', ...kept.map(([name, value]) => `${name}=${value}`), ...words])
}

const mostNames = 50

/**
 * From the line of a test that did not pass: `  ✘ [fail]: cli › run › says why (1.2s)`. After `Timed out` come those that
 * had not ended: `◌ cli › run › says why`, or of a process `Failed to exit when running test/x.js`.
 */
function failedIn(line) {
  const text = plain(line)
  const pending = /^\s*◌ (.*)$/u.exec(text)?.[1]
  if (pending !== undefined) return `did not end: ${pending}`
  return /^\s*✘ (.*)$/u.exec(text)?.[1] ?? /^\s*(Failed to exit .*)$/u.exec(text)?.[1]
}

/** From the lines at the end of AVA's report: `1 test failed`, `1 uncaught exception` … */
function failedOf(report, code) {
  const sum = (pattern) =>
    [...plain(report).matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)
  const failed =
    sum(/^\s*(\d+) tests? failed/gm) +
    sum(/^\s*(\d+) (?:hooks? failed|tests? remained pending|uncaught exceptions?|unhandled rejections?)/gm)
  return code === 0 ? failed : Math.max(1, failed)
}

function plain(text) {
  return text.replace(/\u001b\[[\d;]*m/g, '')
}
