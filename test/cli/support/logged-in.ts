import type { ExecutionContext } from 'ava'
import { type Answer, type FakeCoordinator, fakeCoordinator } from './fake-coordinator.js'
import { type Desk, desk } from './spell.js'

/** A desk that is logged in to a fake coordinator with these answers; both go with the test. */
export async function loggedIn(
  t: ExecutionContext,
  answers: Record<string, Answer> = {},
): Promise<Desk & { readonly coordinator: FakeCoordinator }> {
  const coordinator = await fakeCoordinator(answers)
  const made = await desk(coordinator)
  t.teardown(async () => {
    await coordinator.crash()
    made.tidy()
  })
  return { ...made, coordinator }
}
