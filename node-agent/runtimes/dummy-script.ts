/**
 * The language of the dummy runtime: what a real shell would do with these few words, worked out without doing it.
 *
 *     sleep 2        true   false   exit 3        echo some text        write FILE TEXT   (FILE is relative to /spell)
 *     fail-to-prepare   fail-to-start   out-of-memory
 *     ignore-term           from here on SIGTERM does nothing
 *     trap 5 FILE TEXT      from here on SIGTERM makes it save: 5 s later FILE holds TEXT, `saved FILE` is printed, exit 0
 *
 * joined by `;`, `&&` or newlines. Anything else ends as an unknown command does in a shell: a line, and status 127.
 * What happened until a moment is a function of the text, the start, and the signals received; nothing else is state.
 */
export interface Script {
  readonly events: readonly ScriptEvent[]
  /** Milliseconds after the start; Infinity for `sleep infinity`. */
  readonly endMs: number
  readonly exitCode: number
  readonly outOfMemory: boolean
}

export type ScriptEvent =
  | { readonly kind: 'output'; readonly atMs: number; readonly text: string }
  | { readonly kind: 'write'; readonly atMs: number; readonly file: string; readonly text: string }

/** Moments at which signals arrived, in milliseconds after the start. */
export interface Signals {
  readonly terminatedAtMs?: number | undefined
  readonly killedAtMs?: number | undefined
}

interface OnTerm {
  readonly fromMs: number
  readonly action: 'ignore' | { readonly saveMs: number; readonly file: string; readonly text: string }
}

interface Progress {
  atMs: number
  status: number
  ended: boolean
  outOfMemory: boolean
  readonly events: ScriptEvent[]
  readonly onTerm: OnTerm[]
}

/** Whether `word` stands as a command of its own in `command`. */
export function asksFor(command: string, word: 'fail-to-prepare' | 'fail-to-start'): boolean {
  return command.includes(word) && parse(command).some((step) => step.words === word)
}

export function evaluate(command: string, signals: Signals): Script {
  const progress: Progress = { atMs: 0, status: 0, ended: false, outOfMemory: false, events: [], onTerm: [] }
  for (const step of parse(command)) {
    if (progress.ended) break
    if (step.onlyAfterSuccess && progress.status !== 0) continue
    perform(step.words, progress)
  }
  const undisturbed = {
    events: progress.events,
    endMs: progress.atMs,
    exitCode: progress.status,
    outOfMemory: progress.outOfMemory,
  }
  return killed(terminated(undisturbed, progress.onTerm, signals.terminatedAtMs), signals.killedAtMs)
}

function terminated(script: Script, handlers: readonly OnTerm[], atMs: number | undefined): Script {
  if (atMs === undefined || atMs >= script.endMs) return script
  const action = handlers.findLast((handler) => handler.fromMs <= atMs)?.action
  if (action === 'ignore') return script
  const before = cut(script, atMs, 128 + 15)
  if (action === undefined) return before
  const savedMs = atMs + action.saveMs
  const saved: ScriptEvent[] = [
    { kind: 'write', atMs: savedMs, file: action.file, text: action.text },
    { kind: 'output', atMs: savedMs, text: `saved ${action.file}\n` },
  ]
  return { ...before, events: [...before.events, ...saved], endMs: savedMs, exitCode: 0 }
}

function killed(script: Script, atMs: number | undefined): Script {
  return atMs === undefined || atMs >= script.endMs ? script : cut(script, atMs, 128 + 9)
}

function cut(script: Script, atMs: number, exitCode: number): Script {
  const events = script.events.filter((event) => event.atMs <= atMs)
  return { events, endMs: atMs, exitCode, outOfMemory: false }
}

function parse(command: string): { readonly words: string; readonly onlyAfterSuccess: boolean }[] {
  const pieces = command.split(/(&&|;|\n)/)
  return pieces.flatMap((piece, index) => {
    const words = piece.trim()
    if (index % 2 === 1 || words === '') return []
    return [{ words, onlyAfterSuccess: pieces[index - 1] === '&&' }]
  })
}

function perform(words: string, progress: Progress): void {
  const { name = '', rest = '' } = /^(?<name>\S+)\s*(?<rest>.*)$/s.exec(words)?.groups ?? {}
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  progress.status = 0
  if (command) command(rest, progress)
  else say(progress, `dummy: ${name}: not found\n`, 127)
}

const commands: Readonly<Record<string, (rest: string, progress: Progress) => void>> = {
  true() {},
  false(_rest, progress) {
    progress.status = 1
  },
  sleep(rest, progress) {
    const seconds = rest === 'infinity' ? Number.POSITIVE_INFINITY : Number(rest)
    if (rest === '' || Number.isNaN(seconds) || seconds < 0)
      say(progress, `dummy: sleep: '${rest}' is no time\n`, 1)
    else progress.atMs += seconds * 1000
    progress.ended = progress.atMs === Number.POSITIVE_INFINITY
  },
  exit(rest, progress) {
    progress.status = Number(rest) & 255
    progress.ended = true
  },
  echo(rest, progress) {
    say(progress, `${unquoted(rest)}\n`, 0)
  },
  write(rest, progress) {
    const [file = '', text = ''] = firstWord(rest)
    progress.events.push({ kind: 'write', atMs: progress.atMs, file, text: unquoted(text) })
  },
  trap(rest, progress) {
    const [seconds = '', afterSeconds = ''] = firstWord(rest)
    const [file = '', text = ''] = firstWord(afterSeconds)
    const action = { saveMs: Number(seconds) * 1000, file, text: unquoted(text) }
    progress.onTerm.push({ fromMs: progress.atMs, action })
  },
  'ignore-term'(_rest, progress) {
    progress.onTerm.push({ fromMs: progress.atMs, action: 'ignore' })
  },
  'out-of-memory'(_rest, progress) {
    progress.status = 137
    progress.outOfMemory = true
    progress.ended = true
  },
}

function say(progress: Progress, text: string, status: number): void {
  progress.events.push({ kind: 'output', atMs: progress.atMs, text })
  progress.status = status
}

function firstWord(text: string): [string, string] {
  const { word = '', rest = '' } = /^(?<word>\S*)\s*(?<rest>.*)$/s.exec(text)?.groups ?? {}
  return [word, rest]
}

function unquoted(text: string): string {
  return /^(["'])(.*)\1$/s.exec(text)?.[2] ?? text
}
