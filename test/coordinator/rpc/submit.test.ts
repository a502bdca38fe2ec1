import test from 'ava'
import { CodeCheck } from '../../../coordinator/rpc/code-check.js'
import { ImageCheck } from '../../../coordinator/rpc/image-check.js'
import type { Rule } from '../../../coordinator/rpc/rule.js'
import { submit } from '../../../coordinator/rpc/submit.js'
import { runSpecToWire } from '../../../proto/convert/run-spec.js'
import type { SubmitRequest__Output } from '../../../proto/gen/spell/v1/SubmitRequest.js'
import { fullSpec, plainSpec } from '../../fixtures/full-spec.js'
import { ann, World } from '../leader/harness.js'

const codeIn = (present: boolean) => new CodeCheck({ has: async () => present })
const request = { requestId: 'again', spec: runSpecToWire({ ...plainSpec, code: fullSpec.code }) }

test('a request that was answered is answered the same, whatever the checks would say of it now', async (t) => {
  const world = new World()
  const images = new ImageCheck(world.clock)
  const call = { user: ann, leader: world.lead() }
  const asked = request as unknown as SubmitRequest__Output
  const accepting = { notYet: [], images, code: codeIn(true) }
  t.deepEqual(await submit(accepting, asked, call), { runId: 1, repeatedRequest: false, warnings: [noNodes] })
  const notYet: readonly Rule[] = [() => 'It is not available any more.']
  for (const refusing of [
    { ...accepting, notYet },
    { ...accepting, code: codeIn(false) },
  ]) {
    t.deepEqual(await submit(refusing, asked, call), { runId: 1, repeatedRequest: true, warnings: [] })
    await t.throwsAsync(submit(refusing, { ...asked, requestId: 'new' }, call))
  }
})

const noNodes = 'The pool has no nodes yet; the run waits until one joins.'
