import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { layoutOf } from '../../../cli/cluster/layout.js'
import type { AgentsAnswer, AgentsTask } from './agents-program.js'

const program = fileURLToPath(new URL('./agents-program.js', import.meta.url))
const processes = 2

/** What has happened since it was last asked for. */
export interface AgentsNews {
  readonly linked: number
  readonly heartbeatsMs: readonly number[]
  readonly ordered: AgentsAnswer['ordered']
  readonly cpuSeconds: number
}

/** Simulated agents of a local cluster, in processes of their own. */
export class Agents {
  readonly #children: readonly ChildProcess[]

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children
  }

  /** `folder`: a temporary one. */
  static start(dir: string, count: number, folder: string): Agents {
    const layout = layoutOf(dir)
    const authority = {
      certificatePem: readFileSync(layout.certificateFile('ca'), 'utf8'),
      keyPem: readFileSync(layout.keyFile('ca'), 'utf8'),
    }
    const names = Array.from({ length: count }, (_, index) => `simulated-${index + 1}`)
    const addresses = coordinatorsOf(dir)
    const children = Array.from({ length: processes }, (_, which) => {
      const child = fork(program, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      const mine = names.filter((_, index) => index % processes === which)
      child.send({ names: mine, addresses, authority, folder } satisfies AgentsTask)
      return child
    })
    return new Agents(children)
  }

  async news(): Promise<AgentsNews> {
    const answers = await Promise.all(this.#children.map(ask))
    return {
      linked: sum(answers.map(({ linked }) => linked)),
      heartbeatsMs: answers.flatMap(({ heartbeatsMs }) => heartbeatsMs),
      ordered: answers.flatMap(({ ordered }) => ordered),
      cpuSeconds: sum(answers.map(({ cpuSeconds }) => cpuSeconds)),
    }
  }

  end(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }
}

async function ask(child: ChildProcess): Promise<AgentsAnswer> {
  if (child.exitCode !== null) throw new Error('The simulated agents have ended.')
  child.send('news')
  const [answer] = (await once(child, 'message')) as [AgentsAnswer]
  return answer
}

function coordinatorsOf(dir: string): readonly string[] {
  const settings: unknown = JSON.parse(readFileSync(join(dir, 'settings/node-1.json'), 'utf8'))
  return (settings as { coordinators: readonly string[] }).coordinators
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
