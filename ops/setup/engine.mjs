import { existsSync, readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { userInfo } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { asRoot, howToBeRoot } from './root.mjs'
import { say } from './say.mjs'
import { ask, findProgram } from './shell.mjs'

const socket = '/var/run/docker.sock'
const logFile = '/var/log/spell-dockerd.log'
const patienceMs = 40_000

/**
 * `answers`; `forbidden`: it is there, but not for this user; `silent`. With the words that start a program in its reach:
 * a user who has just been put into the group needs a program to become one of it.
 */
export async function lookForEngine() {
  const code = await ping()
  if (code === undefined) return 'answers'
  return code === 'EACCES' || code === 'EPERM' ? 'forbidden' : 'silent'
}

/**
 * Starts a Docker Engine where none answers: by systemd where there is one, else directly. Containers outlive its restarts
 * (live-restore). Says how it was started, or why it wasn't.
 */
export async function startEngine() {
  if (findProgram('dockerd') === undefined) return { kind: 'failed', reason: 'dockerd is not installed' }
  if (howToBeRoot() === 'none') return { kind: 'failed', reason: 'only root can start dockerd' }
  say('\nStarting the Docker Engine…')
  const bySystemd = existsSync('/run/systemd/system')
  await asRoot(bySystemd ? ['sh', '-c', liveRestoreInFile('systemctl enable --now docker')] : directly())
  const giveUpAt = performance.now() + patienceMs
  while ((await lookForEngine()) === 'silent') {
    if (performance.now() > giveUpAt)
      return { kind: 'failed', reason: bySystemd ? 'see "systemctl status docker"' : lastWords() }
    await delay(200)
  }
  const end = bySystemd
    ? 'sudo systemctl disable --now docker'
    : 'sudo sh -c \'kill "$(cat /var/run/docker.pid)"\''
  return {
    kind: 'started',
    end:
      process.getuid?.() === 0
        ? end.replace(/^sudo (sh -c '(.*)')?/, (_all, shell, inner) => (shell ? inner : ''))
        : end,
  }
}

/** Ends the engine that `startEngine` started. */
export async function stopEngine() {
  const direct = 'kill "$(cat /var/run/docker.pid)"; while [ -e /var/run/docker.pid ]; do sleep 0.1; done'
  await asRoot(existsSync('/run/systemd/system') ? ['systemctl', 'stop', 'docker'] : ['sh', '-c', direct])
}

/** Lets this user use the engine: at once with the returned words in front of a command, later without them. */
export async function joinDockerGroup() {
  const user = userInfo().username
  if (howToBeRoot() === 'none') return undefined
  say(`\nPutting ${user} into the group "docker", which may use the Docker Engine…`)
  if ((await asRoot(['usermod', '-aG', 'docker', user])) !== 0) return undefined
  return findProgram('sg') === undefined ? undefined : inGroup
}

/** A command line in the group docker, for a login that is older than the membership. */
export function inGroup(words) {
  return ['sg', 'docker', '-c', words.map(quoted).join(' ')]
}

export function isMemberOfDockerGroup() {
  return ask('id', ['-nG', userInfo().username]).stdout.split(/\s+/).includes('docker')
}

function quoted(word) {
  return `'${word.replaceAll("'", "'\\''")}'`
}

function liveRestoreInFile(then) {
  const file = '/etc/docker/daemon.json'
  return `mkdir -p /etc/docker && { [ -e ${file} ] || echo '{"live-restore": true}' > ${file}; } && ${then}`
}

function directly() {
  // The same setting in the file and as a flag is an error.
  const flag = existsSync('/etc/docker/daemon.json') ? '' : ' --live-restore'
  return ['sh', '-c', `setsid dockerd${flag} >>${logFile} 2>&1 </dev/null &`]
}

function lastWords() {
  const readable = existsSync(logFile) && statSync(logFile).size > 0
  const lines = readable ? readFileSync(logFile, 'utf8').trimEnd().split('\n') : []
  return `dockerd did not come up; ${logFile} ends with: ${lines.at(-1) ?? '(nothing)'}`
}

/** The error's code; undefined: it answered. */
async function ping() {
  return await new Promise((resolve) => {
    const call = request({ socketPath: socket, path: '/_ping', timeout: 3_000 }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode === 200 ? undefined : 'EPROTO'))
    })
    call.once('timeout', () => call.destroy()).once('error', (error) => resolve(error.code ?? 'EPROTO'))
    call.end()
  })
}
