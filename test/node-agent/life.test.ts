import test from 'ava'
import { assignmentOf } from './fixtures/assignments.js'
import { makeNode } from './fixtures/node.js'

test('a run goes from its order to its final report, its log arrives, and then it is forgotten', async (t) => {
  const { leader, agent } = await makeNode(t)
  agent.start()
  await leader.until(() => leader.hellos.length === 1)
  const assignment = assignmentOf(7, 'echo hello; write model.txt weights; exit 3')
  leader.start(assignment)
  await leader.until(() => leader.forgotten.includes('7.1'))
  t.is(leader.story(assignment.id), 'building running ended saved finished')
  t.is(leader.logs.get('7.1')?.toString(), 'hello\n')
  const ended = leader.reportsOf(assignment.id)[2]
  t.like(ended, { released: true, event: { kind: 'ended', exitCode: 3, endedBy: 'itself', logBytes: 6 } })
  t.is(leader.outputs.get('7.1')?.get('model.txt')?.toString(), 'weights')
})
