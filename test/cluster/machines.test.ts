import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Machine, startMachines, type Typed } from '../fixtures/machines.js'

/** A cluster of one machine, made by `cluster init` there. */
async function initialised(t: ExecutionContext, alpha: Machine, further = ''): Promise<readonly Typed[]> {
  const made = await alpha.type(`spell cluster init --name lab --allow-process-nodes ${further}`)
  t.is(made.code, 0, made.stderr)
  t.regex(made.stderr, /first coordinator will be at alpha:7000/)
  const programs = ['etcd', 'coordinator'].map((name) => alpha.start(`spell ${name} start`))
  await Promise.all(programs.map((program) => program.until(/: started/)))
  // On a busy machine a coordinator takes longer to begin than a command waits for it.
  for (let tries = 1; ; tries += 1) {
    const who = await alpha.type('spell whoami')
    if (who.code === 0) break
    if (tries === 100) t.fail(`${who.stderr}\n${programs.map((program) => program.said()).join('\n')}`)
  }
  return programs
}

async function tokenLines(t: ExecutionContext, alpha: Machine): Promise<string> {
  const made = await alpha.type('spell node token --runtime process')
  t.is(made.code, 0, made.stderr)
  return made.stdout
}

const nodeIds = async (alpha: Machine) => {
  const { stdout } = await alpha.type('spell node list --json')
  return (JSON.parse(stdout) as { id: string; name: string }[]).map(({ id, name }) => `${name} ${id}`)
}

test.serial('one machine: init makes it, both programs start, and its administrator is known', async (t) => {
  const alpha = (await startMachines(t, ['alpha'])).get('alpha')
  const programs = await initialised(t, alpha)
  const who = await alpha.type('spell whoami && spell run -b -f true')
  t.is(who.code, 0, who.stderr)
  t.regex(who.stdout, /Casting spell #1/)
  const again = await alpha.type('spell cluster init --name lab')
  t.is(again.code, 1)
  t.regex(again.stderr, /There is a coordinator in \/var\/lib\/spell\/coordinator already/)
  const twice = await alpha.type('spell coordinator start')
  t.is(twice.code, 1)
  t.regex(twice.stderr, /Another "spell" keeps the program in \/var\/lib\/spell\/coordinator running/)
  for (const program of programs) t.is(await program.interrupt(), 0)
  t.true(existsSync(join(alpha.disk, 'lib/etcd/data/member')))
})

test.serial('a node joins, joins again as itself, comes back after a reboot, and leaves', async (t) => {
  const machines = await startMachines(t, ['alpha', 'gpu-1'])
  const [alpha, node] = [machines.get('alpha'), machines.get('gpu-1')]
  await initialised(t, alpha)
  const lines = await tokenLines(t, alpha)
  const first = node.start(lines)
  await first.until(/: started/)
  t.is((await alpha.type('spell run -f "echo hello"')).code, 0)
  const [known] = await nodeIds(alpha)
  t.is(await first.interrupt(), 0)

  const second = node.start(lines)
  await second.until(/: started/)
  t.is((await alpha.type('spell run -f "echo hello"')).code, 0)
  t.deepEqual(await nodeIds(alpha), [known])

  await node.switchOff()
  await node.switchOn()
  const third = node.start('spell node start')
  await third.until(/: started/)
  t.is((await alpha.type('spell run -f "echo hello"')).code, 0)
  t.deepEqual(await nodeIds(alpha), [known])

  const left = await node.type('spell node leave --yes')
  t.is(left.code, 0, left.stderr)
  t.is(await third.interrupt(), 0)
  t.false(existsSync(join(node.disk, 'lib/node/trust')))
  t.deepEqual(node.processesWith('node-agent/main.js'), [])
})

test.serial('a machine that is not fit is told everything that is wrong, and joins nothing', async (t) => {
  const machines = await startMachines(t, ['alpha', 'gpu-1'])
  const [alpha, node] = [machines.get('alpha'), machines.get('gpu-1')]
  await initialised(t, alpha)
  const token = await tokenLines(t, alpha)
  const docker = await node.type(token.replace('--runtime process', ''))
  t.is(docker.code, 1)
  t.regex(docker.stderr, /The Docker Engine cannot be reached: there is no \/var\/run\/docker\.sock/)
  t.regex(docker.stderr, /docker\.io/)
  t.regex(docker.stderr, /not fit to be a node yet/)
  t.deepEqual(await nodeIds(alpha), [])
  const doctor = await node.type('spell doctor alpha:7000 --json')
  t.is(doctor.code, 1)
  t.true(doctor.stdout.includes('alpha:7000 answers'))
  t.true(doctor.stdout.includes("The clock agrees with the coordinator's"))

  node.cutFrom(alpha, 7000)
  const cut = await node.type(token)
  t.is(cut.code, 1)
  t.regex(cut.stderr, /alpha:7000 cannot be reached: no answer within 5 s/)
  node.mend()
  const other = await node.type(token.replace(/[0-9a-f]{64}/, '0'.repeat(64)))
  t.is(other.code, 1)
  t.regex(other.stderr, /This is not the cluster you mean/)
  const spent = await node.type(token.replace(/\n[^\n]*\nTOKEN/, '\nno-such-token\nTOKEN'))
  t.is(spent.code, 1)
  t.regex(spent.stderr, /token/)
})

test.serial('keys and the token are for root alone, and no process has the token in its words', async (t) => {
  const machines = await startMachines(t, ['alpha', 'gpu-1'])
  const [alpha, node] = [machines.get('alpha'), machines.get('gpu-1')]
  await initialised(t, alpha)
  const lines = await tokenLines(t, alpha)
  const token = lines.split('\n')[1] ?? ''
  t.true(token.length > 20)
  const joining = node.start(lines)
  await joining.until(/: started/)
  // The shell that the lines were typed into has them; what it started has not.
  const programs = node
    .processesWith(token)
    .filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') !== 'bash\n')
  t.deepEqual(programs, [])
  const modes = await alpha.type(
    'cd /var/lib/spell && find . -path "*trust*" -type f -perm /077; stat -c %a coordinator etcd',
  )
  t.is(modes.stdout, '700\n700\n')
  t.false(readFileSync(join(node.disk, 'lib/node/settings.json'), 'utf8').includes(token))
})

/** Writes down what it was asked for, and starts nothing. */
const standInForSystemctl = `#!/bin/sh
echo "$@" >> /run/systemctl-calls
`

test.serial(
  'under systemd the programs are units, enabled and started, and the command returns',
  async (t) => {
    const alpha = (await startMachines(t, ['alpha'])).get('alpha')
    const bin = join(alpha.disk, '../bin')
    writeFileSync(join(bin, 'systemctl'), standInForSystemctl, { mode: 0o755 })
    const made = await alpha.type('mkdir -p /run/systemd/system && spell cluster init --name lab')
    t.is(made.code, 0, made.stderr)
    t.regex(made.stderr, /spell-etcd\.service runs, and will after a reboot/)
    const calls = (await alpha.type('cat /run/systemctl-calls')).stdout.trim().split('\n')
    t.deepEqual(
      calls,
      ['etcd', 'coordinator'].flatMap((name) => [
        'daemon-reload',
        `enable spell-${name}.service`,
        `restart spell-${name}.service`,
      ]),
    )
    const unit = (await alpha.type('cat /etc/systemd/system/spell-coordinator.service')).stdout
    // What the unit starts is a coordinator: it listens, though no etcd answers.
    const command = /^ExecStart=(.*)$/m.exec(unit)?.[1] ?? ''
    await alpha.start(`timeout 60 ${command}`).until(/This coordinator listens/)
  },
)

test.serial('a load balancer before the coordinators serves users, by its own name', async (t) => {
  const machines = await startMachines(t, ['alpha', 'balancer'])
  const [alpha, balancer] = [machines.get('alpha'), machines.get('balancer')]
  await initialised(t, alpha, '--address alpha --address balancer')
  const relay = `require('node:net').createServer((from) => {
    const to = require('node:net').connect(7000, 'alpha')
    from.pipe(to).pipe(from)
    for (const one of [from, to]) one.on('error', () => { from.destroy(); to.destroy() })
  }).listen(7000, '0.0.0.0', () => console.log('relays'))`
  await balancer.start(`${process.execPath} -e "${relay}"`).until(/relays/)
  cpSync(join(alpha.disk, 'home/.spell'), join(balancer.disk, 'home/.spell'), { recursive: true })
  const who = await balancer.type(
    "sed -i 's/alpha:7000/balancer:7000/' ~/.spell/config; spell whoami && spell run -b -f true",
  )
  t.is(who.code, 0, who.stderr)
  t.regex(who.stdout, /Casting spell #1/)
})
