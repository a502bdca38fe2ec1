import type { Command } from 'commander'
import type { ListProjectsResponse__Output } from '../../proto/gen/spell/v1/ListProjectsResponse.js'
import type { Project__Output } from '../../proto/gen/spell/v1/Project.js'
import type { SteerResponse__Output } from '../../proto/gen/spell/v1/SteerResponse.js'
import { connect } from '../api.js'
import { define, defineBelow, runIds } from '../define.js'
import { Failure, Quit } from '../failure.js'
import { localTime } from '../output/dates.js'
import { timeAsJson } from '../output/run-json.js'
import { steeredAsJson } from '../output/steered-json.js'
import { printable, styleOf, withEmoji } from '../output/style.js'
import { table } from '../output/table.js'
import { note, type World } from '../world.js'

interface ProjectOptions {
  readonly context?: string
  readonly json?: boolean
  readonly archived?: boolean
  readonly name?: string
  readonly description?: string
  readonly run?: readonly number[]
}

const examples = `
Examples:
  spell project create -n vision -d "Everything with eyes" -r 7
  spell project add-runs vision 8 9
  spell ps -p vision
`

export function build(world: World): Command {
  const project = define(world, 'project', 'Group runs into projects. A run is in at most one.').addHelpText(
    'after',
    examples,
  )
  createCommand(world, project)
  listCommand(world, project)
  getCommand(world, project)
  editCommand(world, project)
  archiveCommand(world, project, 'archive')
  archiveCommand(world, project, 'unarchive')
  runsCommand(world, project, 'add-runs')
  runsCommand(world, project, 'remove-runs')
  return project
}

function createCommand(world: World, project: Command): void {
  const command = defineBelow(world, project, 'create', 'Create a project.')
    .requiredOption('-n, --name <name>', 'its name')
    .option('-d, --description <text>', 'what it is about')
    .option('-r, --run <id>', 'put this run into it (repeatable)', runIds)
    .option('--json', 'as a JSON object')
  command.action(async () => {
    const options = command.optsWithGlobals<ProjectOptions>()
    const api = await connect(world, options.context)
    const made = await api.call<Project__Output>('Projects', 'Create', {
      name: options.name,
      description: options.description ?? '',
      runIds: options.run ?? [],
    })
    const sentence = withEmoji(styleOf(world), '💫', `Created project '${printable(made.name)}'`)
    say(world, options, made, sentence)
  })
}

function listCommand(world: World, project: Command): void {
  const command = defineBelow(world, project, 'list', 'List projects.')
    .option('--archived', 'archived ones as well')
    .option('--json', 'a JSON array')
  command.action(async () => {
    const options = command.optsWithGlobals<ProjectOptions>()
    const api = await connect(world, options.context)
    const answer = await api.call<ListProjectsResponse__Output>('Projects', 'List', {
      includeArchived: options.archived ?? false,
    })
    if (options.json) world.stdout.write(`${JSON.stringify(answer.projects.map(asJson))}\n`)
    else
      world.stdout.write(
        table(['NAME', 'RUNS', 'CREATOR', 'CREATED', 'DESCRIPTION'], answer.projects.map(row)),
      )
  })
}

function getCommand(world: World, project: Command): void {
  const command = defineBelow(world, project, 'get', 'Show a project.')
    .argument('<name>', 'its name')
    .option('--json', 'as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<ProjectOptions>()
    const api = await connect(world, options.context)
    const found = await api.call<Project__Output>('Projects', 'Get', { name })
    const rows: readonly (readonly [string, string])[] = [
      ['Name', found.name],
      ['Description', found.description],
      ['Creator', found.creator],
      ['Created', localTime(found.createdAtMs)],
      ['Runs', String(found.runCount)],
      ['Archived', found.archived ? 'yes' : 'no'],
    ]
    say(
      world,
      options,
      found,
      table(
        [],
        rows.map(([title, value]) => [title, printable(value)]),
      ).trimEnd(),
    )
  })
}

function editCommand(world: World, project: Command): void {
  const command = defineBelow(world, project, 'edit', 'Give a project another name or description.')
    .argument('<name>', 'its name')
    .option('-n, --name <name>', 'the new name')
    .option('-d, --description <text>', 'the new description')
    .option('--json', 'as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<ProjectOptions>()
    if (options.name === undefined && options.description === undefined) {
      throw new Failure('usage', 'There is nothing to edit: give --name, --description or both.')
    }
    const api = await connect(world, options.context)
    const edited = await api.call<Project__Output>('Projects', 'Edit', {
      name,
      ...(options.name === undefined ? {} : { newName: options.name }),
      ...(options.description === undefined ? {} : { newDescription: options.description }),
    })
    say(world, options, edited, `Successfully edited project '${printable(edited.name)}'.`)
  })
}

function archiveCommand(world: World, project: Command, name: 'archive' | 'unarchive'): void {
  const summary = name === 'archive' ? 'Hide a project from lists.' : 'Show a hidden project in lists again.'
  const command = defineBelow(world, project, name, summary)
    .argument('<name>', 'name of the project')
    .option('--json', 'as a JSON object')
  command.action(async (projectName: string) => {
    const options = command.optsWithGlobals<ProjectOptions>()
    const api = await connect(world, options.context)
    const request = { name: projectName, archived: name === 'archive' }
    const changed = await api.call<Project__Output>('Projects', 'SetArchived', request)
    say(world, options, changed, `Successfully ${name}d project '${printable(changed.name)}'.`)
  })
}

function runsCommand(world: World, project: Command, name: 'add-runs' | 'remove-runs'): void {
  const adds = name === 'add-runs'
  const command = defineBelow(
    world,
    project,
    name,
    adds ? 'Put runs into a project.' : 'Take runs out of a project.',
  )
    .argument('<name>', 'name of the project')
    .argument('<id...>', 'ids of runs', runIds)
    .option('--json', 'as a JSON object')
  command.action(async (projectName: string, ids: readonly number[]) => {
    const options = command.optsWithGlobals<ProjectOptions>()
    const api = await connect(world, options.context)
    const request = { name: projectName, runIds: ids }
    const answer = await api.call<SteerResponse__Output>('Projects', adds ? 'AddRuns' : 'RemoveRuns', request)
    const elsewhere = unnamedIn(answer, ids)
    if (options.json) {
      const moved = { ...steeredAsJson(answer), ...(!adds && { not_in_project: elsewhere }) }
      world.stdout.write(`${JSON.stringify(moved)}\n`)
    } else sayMoved(world, name, projectName, answer, elsewhere)
    if (answer.unknown.length + answer.notPermitted.length > 0) throw new Quit(1)
  })
}

function sayMoved(
  world: World,
  name: 'add-runs' | 'remove-runs',
  projectName: string,
  answer: SteerResponse__Output,
  elsewhere: readonly number[],
): void {
  const [done, direction] = name === 'add-runs' ? ['added', 'to'] : ['removed', 'from']
  if (answer.done.length > 0) {
    world.stdout.write(
      `Successfully ${done} runs ${answer.done.join(' ')} ${direction} project '${printable(projectName)}'.\n`,
    )
  }
  const others: readonly (readonly [string, readonly number[]])[] = [
    [`Not in project '${projectName}'`, elsewhere],
    ['Run ID does not exist', answer.unknown],
    ['Not permitted', answer.notPermitted],
  ]
  for (const [what, ids] of others) if (ids.length > 0) note(world, `${what}: ${ids.join(' ')}`)
}

/** Runs of which nothing is said: they were not in the project that they were to leave. */
function unnamedIn(answer: SteerResponse__Output, ids: readonly number[]): readonly number[] {
  const { done, alreadyFinished, unknown, notPermitted } = answer
  const named = new Set([...done, ...alreadyFinished, ...unknown, ...notPermitted])
  return ids.filter((id) => !named.has(id))
}

function say(world: World, options: ProjectOptions, project: Project__Output, sentence: string): void {
  world.stdout.write(`${options.json ? JSON.stringify(asJson(project)) : sentence}\n`)
}

function row(project: Project__Output): readonly string[] {
  const name = project.archived ? `${project.name} (archived)` : project.name
  const created = localTime(project.createdAtMs)
  return [name, String(project.runCount), project.creator, created, project.description].map(printable)
}

function asJson(project: Project__Output): object {
  return {
    name: project.name,
    description: project.description,
    creator: project.creator,
    created_at: timeAsJson(project.createdAtMs),
    archived: project.archived,
    run_count: project.runCount,
  }
}
