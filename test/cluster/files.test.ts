import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'
import { ended, spellProgram } from '../fixtures/cluster.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

// docs/files.md: nothing is written but where settings say. The programs see the whole machine through an overlay, in whose
// upper layer everything lands that is not in the test's own folder; needs root, as other tests with disks of their own do.

/** The programs may not write beside themselves either. */
const stage = `
set -eu
mount --make-rprivate /
mkdir -p "$FOLDER/layers"
mount -t tmpfs tmpfs "$FOLDER/layers"
mkdir "$FOLDER/layers/upper" "$FOLDER/layers/work" "$FOLDER/layers/root"
root=$FOLDER/layers/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$FOLDER/layers/upper,workdir=$FOLDER/layers/work" "$root"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$FOLDER/own" "$root$FOLDER/own"
mount --bind "$PROGRAMS" "$root$PROGRAMS"
mount -o remount,ro,bind "$root$PROGRAMS"
set +e
chroot "$root" env -i PATH="$PATH" LANG=C.UTF-8 HOME="$FOLDER/own/home" FOLDER="$FOLDER" SPELL="$SPELL" $VARIABLES bash -c "$SCRIPT"
code=$?
(cd "$FOLDER/layers/upper" && find . ! -type d) > "$FOLDER/own/outside"
exit $code
`

const script = `
set -eu
trap '$SPELL cluster down --yes --dir "$FOLDER/own/cluster" >&2' EXIT
cd "$FOLDER/own/home"
$SPELL cluster up --detach --runtime process --dir "$FOLDER/own/cluster"
git init -q repository && cd repository && echo text > file && git add . && git -c user.name=t -c user.email=t@t commit -qm first
echo changed > file
$SPELL run -f 'cat file && echo made > out.txt'
$SPELL logs 1
$SPELL cp runs/1/out.txt .
$SPELL cluster backup "$FOLDER/own/home/backup.db"
$SPELL cluster status
`

async function playOn(
  t: Parameters<typeof temporaryFolder>[0],
  variables: (own: string) => readonly string[],
) {
  const folder = await temporaryFolder(t)
  const own = join(folder, 'own')
  for (const name of ['home', 'tmp', 'client', 'cache']) await mkdir(join(own, name), { recursive: true })
  const bundle = dirname(spellProgram)
  const played = await ended(
    spawn('unshare', ['-m', 'bash', '-c', stage], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        FOLDER: folder,
        PROGRAMS: dirname(dirname(bundle)),
        SPELL: `${process.execPath} ${spellProgram}`,
        VARIABLES: variables(own).join(' '),
        SCRIPT: script,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  t.is(played.code, 0, `${played.stdout}${played.stderr}`)
  t.regex(played.stdout, /^changed$/m)
  const outside = (await readFile(join(own, 'outside'), 'utf8')).split('\n').filter(Boolean)
  const entries = async (name: string) => (await readdir(join(own, name))).sort()
  return { own, outside, entries }
}

test.serial('with every folder named, all that is written is in those', async (t) => {
  const { outside, entries } = await playOn(t, (own) => [
    `SPELL_DIR=${own}/client`,
    `XDG_CACHE_HOME=${own}/cache`,
    `TMPDIR=${own}/tmp`,
  ])
  t.deepEqual(outside, [])
  t.deepEqual(await entries('home'), ['backup.db', 'repository'])
  // What V8 made of the program may lie beside it already.
  t.deepEqual(
    (await entries('client')).filter((name) => name !== 'cache'),
    ['config'],
  )
  t.deepEqual(await entries('tmp'), [], 'what was packed is not left')
  t.deepEqual(await entries('cache'), [])
  const parts = ['cluster.json', 'data', 'etcd', 'logs', 'processes.json', 'settings', 'store', 'trust']
  t.deepEqual(await entries('cluster'), parts)
  t.deepEqual(await entries('cluster/data/coordinator-1'), ['audit'])
  const known = [
    ...['attempts', 'code', 'coordinators.json', 'gpus.json', 'heard.json', 'inventory.json', 'journal'],
    'user-addresses.json',
  ]
  for (const name of await entries('cluster/data/node-1')) t.true(known.includes(name), name)
})

test.serial('without any, all is in the home of the user, and nothing is left in /tmp', async (t) => {
  const { own, outside, entries } = await playOn(t, () => [])
  t.deepEqual(outside, [])
  t.deepEqual(await entries('home'), ['.spell', 'backup.db', 'repository'])
  t.true(existsSync(join(own, 'home/.spell/config')))
})
