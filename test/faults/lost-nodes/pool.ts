import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { systemClock } from '../../../common/clock.js'
import { followPage, type PageCluster } from '../../fixtures/cluster-page.js'
import type { Machine } from '../../fixtures/machines.js'
import { type Manner, Work } from './work.js'

/** What `spell info --json` says, as far as it is looked at. */
export interface Info {
  readonly state: string
  readonly exit_code: number | null
  readonly attempt: number
  readonly reason: string
  readonly notes: readonly string[]
  readonly states: readonly { readonly state: string; readonly entered_at: string }[]
}

const nodes = ['gpu-1', 'gpu-2', 'gpu-3'] as const

/** The cluster of docs/cluster.md with other limits, and an administrator at a desk. */
export class Pool {
  readonly work: Work
  readonly #page: PageCluster
  readonly #desk: Machine

  constructor(page: PageCluster) {
    const folder = join(page.machines.folder, 'work')
    mkdirSync(folder)
    this.work = new Work(folder)
    this.#page = page
    this.#desk = this.machine('desk')
  }

  machine(name: string): Machine {
    return this.#page.machines.get(name)
  }

  /** Throws where it fails. */
  async spell(words: string): Promise<string> {
    const { code, stdout, stderr } = await this.#desk.type(`spell ${words}`)
    if (code !== 0) throw new Error(`spell ${words} (${code}): ${stdout}${stderr}`)
    return stdout
  }

  async info(runId: number): Promise<Info> {
    return JSON.parse(await this.spell(`info ${runId} --json`))
  }

  /** Runs on that node, all begun; all but `plain` may be repeated elsewhere. */
  async place(node: string, manners: readonly Manner[]): Promise<readonly number[]> {
    const others = nodes.filter((name) => name !== node)
    for (const name of others) await this.spell(`node cordon ${name}`)
    const runIds: number[] = []
    for (const manner of manners) {
      const resume = manner === 'plain' ? '' : '--auto-resume'
      const said = await this.spell(`run -f -b --json -t small ${resume} ${this.work.command(manner)}`)
      runIds.push(JSON.parse(said.split('\n')[0] ?? '').id)
    }
    for (const runId of runIds) await this.work.begun(`${runId}.1`)
    for (const name of others) await this.spell(`node uncordon ${name}`)
    return runIds
  }

  async connected(node: string): Promise<void> {
    for (;;) {
      const all = JSON.parse(await this.spell('node list --json'))
      if (all.some((each: { name: string; connected: boolean }) => each.name === node && each.connected))
        return
      await systemClock.sleep(100)
    }
  }

  /** Lets it come to its end: this attempt counts, and nothing of any other is to be seen. */
  async endsWhole(t: ExecutionContext, runId: number, number: number): Promise<void> {
    this.work.openGate(`${runId}.${number}`)
    await this.spell(`wait ${runId}`)
    await this.isWhole(t, runId, number)
  }

  async isWhole(t: ExecutionContext, runId: number, number: number): Promise<void> {
    const attempt = `${runId}.${number}`
    const { state, exit_code, attempt: counting } = await this.info(runId)
    t.deepEqual(
      { state, exit_code, counting },
      { state: 'complete', exit_code: 5, counting: number },
      attempt,
    )
    t.deepEqual(this.work.wrongIn(await this.spell(`logs --raw ${runId}`), attempt), [], attempt)
    await this.spell(`cp --force runs/${runId} got-${runId}`)
    const got = join(this.#desk.disk, 'home', `got-${runId}`)
    t.deepEqual(readdirSync(got), ['result'])
    t.is(readFileSync(join(got, 'result'), 'utf8'), `result of ${attempt}\n`)
  }
}

export async function startPool(t: ExecutionContext, limits: object): Promise<Pool> {
  const page = await followPage(t, { also: ['desk'] })
  const { machines, shells } = page
  for (const name of ['alpha', 'beta']) await shells.get(`${name} coordinator`)?.interrupt()
  for (const name of ['alpha', 'beta']) {
    const machine = machines.get(name)
    const file = join(machine.disk, 'lib/coordinator/settings.json')
    const settings = JSON.parse(readFileSync(file, 'utf8'))
    writeFileSync(file, JSON.stringify({ ...settings, limits: { ...settings.limits, ...limits } }))
    await machine.start('spell coordinator start').until(/: started/)
  }
  const home = (name: string) => join(machines.get(name).disk, 'home/.spell')
  cpSync(home('alpha'), home('desk'), { recursive: true })
  const pool = new Pool(page)
  // This machine stands for several and has few cores.
  await pool.spell('cluster machine-type add --name small --cpus 0.1 --memory 100M')
  for (const node of nodes) await pool.connected(node)
  return pool
}
