import { createHash } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { exitNote, readExitNote } from './exit-note.js'
import { gapMark } from './gap-mark.js'
import {
  commandLineOf,
  hasVariable,
  isAlive,
  isThread,
  type LinuxProcess,
  openFileOf,
  type ProcessName,
  processesSince,
  processOf,
} from './linux-processes.js'
import { hasNote, readNote } from './notes.js'

/**
 * What stands over a command in the process runtime: one shell per task, leader of a session of its own, which outlives
 * the agent. Its processes, all ignoring the signals that end the rest of the session:
 *
 *     supervisor ── left ──── command (bash -c …, with whatever it starts)
 *                └─ collector ── cat
 *
 * A real pipe leads from the command to the collector, so that `/dev/stderr` can be opened by name and nobody can shorten
 * the log. The file size limit ends `cat` exactly there, by SIGXFSZ; another swallows the rest. When the disk is full `cat`
 * fails: gap-mark.ts has what happens then. Files it writes to the control folder, in this order (each a line; one without its newline counts as not written):
 *
 *     supervisor   boot id and /proc/<pid>/stat of the supervisor; created exclusively, so a second start changes nothing
 *     collector    the collector's pid
 *     exit         the command's exit status (exit-note.ts)
 *     done         the output is complete, the supervisor ends
 *
 * The command's shell replaces a subshell, since a shell says "Killed" where its own output goes: nowhere.
 *
 * Arguments: control folder, output file, limit in blocks of 512 bytes, shell, command, path of cat. The closing of its
 * first stdout tells the agent that `supervisor` is written.
 */
export const supervisorScript = `
set -C
read -r spell_boot </proc/sys/kernel/random/boot_id
read -r spell_stat </proc/$$/stat
{ echo "$spell_boot $spell_stat" >"$1/supervisor"; } 2>/dev/null || exit 0
set +C
trap '' TERM INT HUP
exec >/dev/null 2>&1
{
  trap : TERM INT HUP
  (exec "$4" -c "$5" 2>&1)
  echo $? 1<>"$1/exit"
} | {
  read -r spell_pid spell_stat </proc/self/stat
  echo "$spell_pid" >"$1/collector"
  trap '' XFSZ
  ulimit -c 0
  ulimit -f "$3"
  while :; do
    (trap - XFSZ; exec "$6" >>"$2")
    case $? in
      0) break ;;
      1 | 2) until echo "${gapMark}" >>"$2"; do "$6" >/dev/full && break 2; done ;;
      *) "$6" >/dev/null; break ;;
    esac
  done
}
echo >"$1/done"
`

export const outputBlockBytes = 512

/** Everything that the supervisor and the agent have noted about a task. */
export interface SupervisorNotes extends ProcessName {
  /** Written in this boot of the machine. */
  readonly current: boolean
  readonly exitCode: number | undefined
  readonly done: boolean
  /** A stop was asked for: what the command leaves behind has the stop's grace, not the short one. */
  readonly terminating: boolean
  /** SIGTERM was sent. */
  readonly terminated: boolean
}

/** What the agent notes, by files that are there: before it sends SIGTERM, and after. */
export const agentNotes = { terminating: 'terminating', terminated: 'terminated' } as const
const noteFiles: ReadonlySet<string> = new Set([
  'supervisor',
  'collector',
  exitNote,
  'done',
  ...Object.values(agentNotes),
])

/** Of a task that is over. Synchronous, as each call takes microseconds, and a tenth of what its asynchronous form takes. */
export function removeNotes(controlFolder: string): void {
  if (!existsSync(controlFolder)) return
  for (const name of readdirSync(controlFolder))
    if (noteFiles.has(name)) rmSync(join(controlFolder, name), { recursive: true, force: true })
}

export function readNotes(controlFolder: string, boot: string): SupervisorNotes | undefined {
  const line = readLine(controlFolder, 'supervisor')
  const match = /^(?<boot>\S+) (?<pid>\d+) .*\) (?<rest>.*)$/s.exec(line ?? '')?.groups
  if (!match) return undefined
  return {
    pid: Number(match.pid),
    startTicks: Number(match.rest?.split(' ')[19]),
    current: match.boot === boot,
    exitCode: readExitNote(controlFolder),
    done: readLine(controlFolder, 'done') !== undefined,
    terminating: hasNote(join(controlFolder, agentNotes.terminating)),
    terminated: hasNote(join(controlFolder, agentNotes.terminated)),
  }
}

/** Whether the supervisor itself still runs. */
export function isSupervised(notes: SupervisorNotes): boolean {
  return notes.current && isAlive(notes)
}

export const taskMarkName = 'SPELL_TASK'

/** The variable by which a process is found that left the session and whose parents have ended. */
export function taskMark(controlFolder: string): { readonly name: string; readonly value: string } {
  return { name: taskMarkName, value: createHash('sha256').update(controlFolder).digest('hex').slice(0, 20) }
}

/**
 * The task's own processes, parents first: those of the session, whatever has the mark or prints to the task's output, and
 * the descendants of these; without the supervisor's, which end by themselves. What leaves the session, its environment and
 * its output at once, and whose parents have ended, is not found. What is in the session of another task is that one's.
 */
export function membersOf(
  controlFolder: string,
  notes: SupervisorNotes,
  sessions: ReadonlyMap<unknown, number>,
): readonly LinuxProcess[] {
  if (!notes.current) return []
  const elsewhere = new Set(sessions.values())
  elsewhere.delete(notes.pid)
  const candidates = processesSince(notes).filter(({ session }) => !elsewhere.has(session))
  const { supervisor, collector, pipe } = landmarksOf(controlFolder, notes)
  const mark = taskMark(controlFolder)
  const assignment = `${mark.name}=${mark.value}`
  const family = new Set<number>()
  for (const found of candidates)
    if (
      found.session === supervisor ||
      found.pid === supervisor ||
      family.has(found.parent) ||
      hasVariable(found.pid, assignment) ||
      (pipe !== undefined && [1, 2].some((fd) => openFileOf(found.pid, fd) === pipe))
    )
      family.add(found.pid)
  const supervising = ({ pid, parent }: LinuxProcess): boolean =>
    pid === supervisor || parent === supervisor || parent === collector
  return candidates.filter((found) => family.has(found.pid) && !supervising(found) && !isThread(found.pid))
}

/** What the task's processes are told by; each undefined when it is known to be gone. */
interface Landmarks {
  /** Its pid is the name of the session too. */
  readonly supervisor: number | undefined
  readonly collector: number | undefined
  readonly pipe: string | undefined
}

/**
 * A pid that was noted may be somebody else's by now. As long as a process is in a session the kernel gives its number to
 * nobody: with another process at the supervisor's pid nothing is left of the session, and no collector, who is in it.
 */
function landmarksOf(controlFolder: string, notes: SupervisorNotes): Landmarks {
  const found = processOf(notes.pid)
  if (found && found.startTicks !== notes.startTicks)
    return { supervisor: undefined, collector: undefined, pipe: undefined }
  const noted = Number(readLine(controlFolder, 'collector') ?? Number.NaN)
  const collector = processOf(noted)?.session === notes.pid ? noted : undefined
  const input = collector === undefined ? undefined : openFileOf(collector, 0)
  return { supervisor: notes.pid, collector, pipe: input?.startsWith('pipe:[') ? input : undefined }
}

/** Whether the command's shell runs, so that a signal is for it and not lost in the supervisor's preparations. */
export function hasBegun(notes: SupervisorNotes, members: readonly LinuxProcess[]): boolean {
  if (notes.exitCode !== undefined || !isSupervised(notes)) return true
  const own = commandLineOf(notes.pid)
  return members.some((member) => commandLineOf(member.pid) !== own)
}

function readLine(folder: string, name: string): string | undefined {
  const text = readNote(join(folder, name))
  return text?.endsWith('\n') ? text.slice(0, -1) : undefined
}
