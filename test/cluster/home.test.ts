import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { followPage } from '../fixtures/cluster-page.js'

test.serial(
  'docs/cluster.md without a shared folder: the store is at home on alpha, and beta leads',
  async (t) => {
    t.timeout(900_000)
    const { machines, said } = await followPage(t, { store: 'home' })
    t.regex(said, /hello from gpu-[123]/)
    const [alpha, beta, desk] = ['alpha', 'beta', 'gpu-1'].map((name) => machines.get(name))
    if (!alpha || !beta || !desk) return t.fail()
    cpSync(join(alpha.disk, 'home/.spell'), join(desk.disk, 'home/.spell'), { recursive: true })

    const kept = await desk.type('spell run -f "echo kept | tee out.txt"')
    t.is(kept.code, 0, kept.stderr)

    // The store's home is gone from one moment to the next.
    await alpha.switchOff()
    const accepted = await desk.type('spell run -f -b "echo later | tee out.txt"')
    t.is(accepted.code, 0, accepted.stderr)
    t.regex(accepted.stdout, /Casting spell #3/)
    const listed = await desk.type('spell ps --json')
    t.is((JSON.parse(listed.stdout) as readonly unknown[]).length, 3, listed.stderr)
    const copied = await desk.type('spell cp runs/2')
    t.not(copied.code, 0)
    t.regex(copied.stderr, /The store is away: its home, the coordinator alpha/)

    await alpha.switchOn()
    const programs = ['etcd', 'coordinator'].map((name) => alpha.start(`spell ${name} start`))
    await Promise.all(programs.map((program) => program.until(/: started/)))
    t.is((await desk.type('spell wait 3')).code, 0)
    t.regex((await desk.type('spell logs -f --raw 3')).stdout, /^later$/m)
    const third = await desk.type('spell run -f "echo through beta | tee out.txt"')
    t.is(third.code, 0, third.stderr)
    const out = await desk.type('spell cp -f runs/4/out.txt got && cat got/out.txt')
    t.regex(out.stdout, /through beta/, out.stderr)

    // Its home leads on when the leader has gone.
    await beta.switchOff()
    const fourth = await desk.type('spell run -f "echo through alpha"')
    t.is(fourth.code, 0, fourth.stderr)
    t.regex(fourth.stdout, /Casting spell #5[\s\S]*^through alpha$/m)
    t.false(existsSync(join(beta.disk, 'lib/coordinator/store')))
    const settings = JSON.parse(
      readFileSync(join(beta.disk, 'lib/coordinator/settings.json'), 'utf8'),
    ) as object
    t.like(settings, { storeHome: 'alpha', storeDir: undefined })
  },
)
