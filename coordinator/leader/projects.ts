import { RpcError } from '../../common/errors.js'
import { encode } from '../core/record-codec.js'
import type { Project, ProjectView, User } from '../core/records.js'
import { changeRun, editable, lookUp, lookUpAll, noSuchRun } from './edit.js'
import { maySteer } from './steer.js'
import type { Term } from './term.js'
import type { Put, Steered } from './types.js'

export async function createProject(
  term: Term,
  user: User,
  wanted: { readonly name: string; readonly description: string; readonly runIds: readonly number[] },
): Promise<ProjectView> {
  const { name, description, runIds } = wanted
  await checkRuns(term, user, runIds)
  if (term.memory.projects.has(name))
    throw new RpcError('ALREADY_EXISTS', `There is a project ${JSON.stringify(name)} already.`)
  const createdAtMs = term.parts.clock.now()
  await putProject(term, { name, description, creator: user.name, createdAtMs, archived: false })
  if (runIds.length > 0) await moveRuns(term, { user, ids: runIds, to: name })
  return projectView(term, projectNamed(term, name))
}

/** A project with some of its runs alone would surprise: it is made with all of them, or not at all. */
async function checkRuns(term: Term, user: User, ids: readonly number[]): Promise<void> {
  for (const id of new Set(ids)) {
    const found = await lookUp(term, id)
    if (!found) throw noSuchRun(term, id)
    const { creator } = found.origin
    if (!maySteer(user, creator)) throw new RpcError('PERMISSION_DENIED', `Run ${id} is ${creator}'s.`)
  }
}

export function projectNamed(term: Term, name: string): Project {
  const project = term.memory.projects.get(name)
  if (!project) throw new RpcError('NOT_FOUND', `There is no project ${JSON.stringify(name)}.`)
  return project
}

export function projectView(term: Term, project: Project): ProjectView {
  const { memory, archive } = term
  let runCount = memory.runs.inProject(project.name) + archive.index.inProject(project.name)
  for (const edit of memory.edits.values()) {
    if (edit.project === project.name) runCount += 1
    if (edit.projectInSegment === project.name) runCount -= 1
  }
  return { ...project, runCount }
}

export async function setProjectArchived(
  term: Term,
  user: User,
  name: string,
  { archived }: { readonly archived: boolean },
): Promise<ProjectView> {
  const changed = { ...owned(term, user, name), archived }
  await putProject(term, changed)
  return projectView(term, changed)
}

/** A run is in at most one project: adding moves it. `from`: runs that are not in it stay, and are not among the done. */
export async function moveRuns(
  term: Term,
  move: {
    readonly user: User
    readonly ids: readonly number[]
    readonly from?: string
    readonly to?: string
  },
): Promise<Steered> {
  const steered = {
    done: [] as number[],
    alreadyFinished: [],
    unknown: [] as number[],
    notPermitted: [] as number[],
  }
  const puts: Put[] = []
  const all = await lookUpAll(term, move.ids)
  // It may have got another name while runs were looked up.
  if (move.to !== undefined) projectNamed(term, move.to)
  term.writes.checkRoom()
  for (const [id, found] of all) {
    if (!found) steered.unknown.push(id)
    else if (!maySteer(move.user, found.origin.creator)) steered.notPermitted.push(id)
    else {
      if (move.from !== undefined && editable(term, found).project !== move.from) continue
      puts.push(...changeRun(term, found, { project: move.to }))
      steered.done.push(id)
    }
  }
  await term.writes.commitEach(puts)
  return steered
}

export function owned(term: Term, user: User, name: string): Project {
  const project = projectNamed(term, name)
  if (!maySteer(user, project.creator))
    throw new RpcError('PERMISSION_DENIED', `The project ${JSON.stringify(name)} is ${project.creator}'s.`)
  return project
}

export function putProject(term: Term, project: Project): Promise<void> {
  term.writes.checkRoom()
  term.memory.projects.set(project.name, project)
  return term.writes.commit([{ key: term.writes.keys.project(project.name), value: encode(project) }])
}
