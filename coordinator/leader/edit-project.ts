import { setImmediate } from 'node:timers/promises'
import { RpcError } from '../../common/errors.js'
import { encode } from '../core/record-codec.js'
import type { Project, ProjectView, User } from '../core/records.js'
import { changeRun, editable, lookUp, lookUpAll } from './edit.js'
import { owned, projectNamed, projectView, putProject } from './projects.js'
import type { Term } from './term.js'
import type { ProjectEdit } from './types.js'

/** A project that gets another name takes its runs along, those in the archive too. */
export async function editProject(
  term: Term,
  user: User,
  name: string,
  edit: ProjectEdit,
): Promise<ProjectView> {
  owned(term, user, name)
  const to = edit.newName ?? name
  if (to === name) await putProject(term, described(projectNamed(term, name), edit))
  else await renameProject(term, name, to, edit)
  return projectView(term, projectNamed(term, to))
}

/**
 * The runs follow one after another, and so there are two projects for a while, of which the new one names the old. Whatever
 * ends this halfway, a leader's death or a store that goes away, the same request again goes on with it.
 */
async function renameProject(term: Term, from: string, to: string, edit: ProjectEdit): Promise<void> {
  const { memory, writes } = term
  checkRename(term, from, to)
  // Asks the store for all that will be needed, before anything is changed.
  let ids = await runsIn(term, from)
  checkRename(term, from, to)
  const project = described(projectNamed(term, from), edit)
  await putProject(term, { ...project, name: to, renamedFrom: from })
  do {
    await moveAll(term, ids, from, to)
    // Some may have been submitted or added meanwhile; between the last look and the end nothing can be.
    ids = hasRuns(term, from) ? await runsIn(term, from) : []
  } while (ids.length > 0)
  const { renamedFrom: _, ...renamed } = projectNamed(term, to)
  memory.projects.delete(from)
  memory.projects.set(to, renamed)
  await writes.commit([{ key: writes.keys.project(to), value: encode(renamed) }], [writes.keys.project(from)])
}

function described(project: Project, { newDescription }: ProjectEdit): Project {
  return { ...project, description: newDescription ?? project.description }
}

function checkRename(term: Term, from: string, to: string): void {
  const { projects } = term.memory
  const there = projects.get(to)
  if (there && there.renamedFrom !== from)
    throw new RpcError('ALREADY_EXISTS', `There is a project ${JSON.stringify(to)} already.`)
  for (const { name, renamedFrom } of projects.values()) {
    if (renamedFrom === undefined || name === to || (renamedFrom !== from && name !== from)) continue
    throw new RpcError(
      'FAILED_PRECONDITION',
      `The project ${JSON.stringify(renamedFrom)} is being renamed to ${JSON.stringify(name)}; if that was interrupted, ask for it again.`,
    )
  }
}

function hasRuns(term: Term, project: string): boolean {
  return projectView(term, projectNamed(term, project)).runCount > 0
}

/** The event loop waits at most for so many runs. */
const runsPerTurn = 200

/** Newest first. */
async function runsIn(term: Term, project: string): Promise<readonly number[]> {
  const { memory, archive } = term
  const ids: number[] = []
  for (let id = memory.counter; id >= 1; id -= 1) {
    if (id % runsPerTurn === 0) await setImmediate()
    const isArchived = archive.index.inProject(project) > 0 || memory.edits.has(id)
    if (!memory.runs.get(id) && !isArchived) continue
    const found = await lookUp(term, id)
    if (found && editable(term, found).project === project) ids.push(id)
  }
  return ids
}

async function moveAll(term: Term, ids: readonly number[], from: string, to: string): Promise<void> {
  for (let start = 0; start < ids.length; start += runsPerTurn) {
    const found = await lookUpAll(term, ids.slice(start, start + runsPerTurn))
    const puts = [...found.values()].flatMap((run) =>
      run && editable(term, run).project === from ? changeRun(term, run, { project: to }) : [],
    )
    await term.writes.commitEach(puts)
  }
}
