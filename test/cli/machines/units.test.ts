import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { type ProgramName, programNames } from '../../../cli/machines/folders.js'
import { makeUnit, unitName } from '../../../cli/machines/units.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const run = promisify(execFile)
/** The folder of all that was built. */
const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))

const unitOf = (program: ProgramName, folder: string) =>
  makeUnit(root, program, {
    cluster: 'lab 100%',
    command: [process.execPath, join(folder, 'a "b" $c 100%', 'main.js'), '--settings=/var/lib/spell/x.json'],
    mounts: [folder, join(folder, 'with blanks')],
  })

test('what means something to systemd is written so that it means itself', (t) => {
  const lines = unitOf('coordinator', '/srv').split('\n')
  t.true(lines.includes('Description=Coordinator of the Spell cluster lab 100%%'))
  const command = `ExecStart=${process.execPath} "/srv/a \\"b\\" $$c 100%%/main.js" --settings=/var/lib/spell/x.json`
  t.true(lines.includes(command), lines.join('\n'))
  t.true(lines.includes('RequiresMountsFor=/srv "/srv/with blanks"'))
})

test('runs outlive the unit of their node', (t) => {
  const lines = unitOf('node', '/srv').split('\n')
  for (const line of ['KillMode=process', 'Restart=always', 'Delegate=yes', 'WantedBy=multi-user.target'])
    t.true(lines.includes(line), line)
})

test('systemd-analyze has nothing against the units', async (t) => {
  const folder = await temporaryFolder(t)
  for (const name of programNames) {
    const program = join(folder, 'a "b" $c 100%')
    mkdirSync(program, { recursive: true })
    writeFileSync(join(folder, unitName(name)), unitOf(name, folder))
    const { stderr, stdout } = await run('systemd-analyze', [
      'verify',
      '--man=no',
      join(folder, unitName(name)),
    ])
    t.is(stdout + stderr, '', name)
  }
})
