import { RpcError } from '../../common/errors.js'
import type { CreateProjectRequest__Output } from '../../proto/gen/spell/v1/CreateProjectRequest.js'
import type { EditProjectRequest__Output } from '../../proto/gen/spell/v1/EditProjectRequest.js'
import type { ListProjectsRequest__Output } from '../../proto/gen/spell/v1/ListProjectsRequest.js'
import type { ProjectName__Output } from '../../proto/gen/spell/v1/ProjectName.js'
import type { ProjectRuns__Output } from '../../proto/gen/spell/v1/ProjectRuns.js'
import type { SetProjectArchivedRequest__Output } from '../../proto/gen/spell/v1/SetProjectArchivedRequest.js'
import { type Handlers, unary } from './call.js'
import { checkIds } from './run-handlers.js'
import { projectNameRefusal } from './submit-rules.js'
import { byteLength, hasControlCharacters } from './text.js'
import type { UserCall } from './user-call.js'

export const projectHandlers: Handlers<UserCall> = {
  'Projects/Create': unary<CreateProjectRequest__Output, UserCall>(
    async ({ name, description, runIds }, { leader, user }) => {
      checkName(name)
      checkDescription(description)
      checkIds(runIds)
      return await leader.createProject(user, { name, description, runIds })
    },
  ),
  'Projects/List': unary<ListProjectsRequest__Output, UserCall>(async ({ includeArchived }, { leader }) => ({
    projects: await leader.listProjects({ includeArchived }),
  })),
  'Projects/Get': unary<ProjectName__Output, UserCall>(({ name }, { leader }) => leader.project(name)),
  'Projects/Edit': unary<EditProjectRequest__Output, UserCall>(
    async ({ name, newName, newDescription }, { leader, user }) => {
      if (newName !== undefined) checkName(newName)
      checkDescription(newDescription ?? '')
      return await leader.editProject(user, name, { newName, newDescription })
    },
  ),
  'Projects/SetArchived': unary<SetProjectArchivedRequest__Output, UserCall>(
    ({ name, archived }, { leader, user }) => leader.setProjectArchived(user, name, { archived }),
  ),
  'Projects/AddRuns': unary<ProjectRuns__Output, UserCall>(async ({ name, runIds }, { leader, user }) => {
    checkIds(runIds)
    return await leader.addToProject(user, name, runIds)
  }),
  'Projects/RemoveRuns': unary<ProjectRuns__Output, UserCall>(async ({ name, runIds }, { leader, user }) => {
    checkIds(runIds)
    return await leader.removeFromProject(user, name, runIds)
  }),
}

function checkName(name: string): void {
  const refusal = projectNameRefusal(name)
  if (refusal !== undefined) throw new RpcError('INVALID_ARGUMENT', refusal)
}

function checkDescription(text: string): void {
  if (byteLength(text) > 4_096 || hasControlCharacters(text.replace(/[\t\n]/g, ' ')))
    throw new RpcError(
      'INVALID_ARGUMENT',
      "A project's description has at most 4,096 bytes and no control characters.",
    )
}
