import test from 'ava'
import { parse, words } from './support/parse.js'

const means = test.macro({
  exec(t, line: string, expected: object) {
    const [spell, run, ...args] = words(line)
    t.deepEqual([spell, run], ['spell', 'run'])
    t.like(parse(args), expected)
  },
  title: (_, line: string) => `means what it says: ${line.replaceAll(/\s+/g, ' ')}`,
})

const image = 'python:latest'
const cases: readonly (readonly [string, object])[] = [
  [
    'spell run "echo hello world"',
    { command: 'echo hello world', machine: { kind: 'type', name: 'CPU' }, taken: [] },
  ],
  [
    `spell run --mount runs/1/data:datasets \\
--machine-type T4 \\
--apt ffmpeg \\
--pip moviepy \\
"python style.py \\
--checkpoint-dir ckpt \\
--vgg-path datasets/imagenet-vgg-verydeep-19.mat"`,
    {
      command: 'python style.py --checkpoint-dir ckpt --vgg-path datasets/imagenet-vgg-verydeep-19.mat',
      machine: { kind: 'type', name: 'T4' },
      mounts: [{ resource: 'runs/1/data', path: 'datasets' }],
      environment: { aptPackages: ['ffmpeg'], pipPackages: ['moviepy'] },
    },
  ],
  ['spell run cat file', { command: 'cat file', taken: [] }],
  ['spell run --framework tensorflow "python train.py"', { environment: { framework: 'tensorflow' } }],
  [
    'spell run --pip sklearn --pip imageio "python train.py"',
    { environment: { pipPackages: ['sklearn', 'imageio'] } },
  ],
  [
    'spell run --pip-req requirements.txt "python train.py"',
    { environment: { pipRequirements: [{ name: 'requirements.txt' }] } },
  ],
  [
    'spell run --conda-file ./environment.yml "python train.py"',
    { environment: { condaFile: { name: 'environment.yml' } } },
  ],
  [
    'spell run --apt libprotobuf-dev --apt protobuf-compiler "python train.py"',
    { environment: { aptPackages: ['libprotobuf-dev', 'protobuf-compiler'] } },
  ],
  [
    'spell run --framework fastai --apt ffmpeg --pip cudatoolkit\\>=9.0 "echo \'hello world\'"',
    {
      command: "echo 'hello world'",
      environment: { framework: 'fastai', pipPackages: ['cudatoolkit>=9.0'] },
    },
  ],
  [
    'spell run --mount public/audio/css10:/mnt/audio-data "ls /mnt/audio-data"',
    { mounts: [{ resource: 'public/audio/css10', path: '/mnt/audio-data' }] },
  ],
  [
    'spell run --mount public/audio/css10 "python main.py"',
    { mounts: [{ resource: 'public/audio/css10', path: 'css10' }] },
  ],
  ['spell run "echo hello world! > foo.txt"', { command: 'echo hello world! > foo.txt' }],
  [
    'spell run --mount runs/435/foo.txt:/spell/foo.txt cat foo.txt',
    { command: 'cat foo.txt', mounts: [{ resource: 'runs/435/foo.txt', path: '/spell/foo.txt' }] },
  ],
  [
    'spell run --env CUDA_VISIBLE_DEVICES=1 "python example.py"',
    { env: [{ name: 'CUDA_VISIBLE_DEVICES', value: '1' }] },
  ],
  [
    "spell run \\\n--github-url 'https://github.com/spellml/examples.git' \\\n--github-ref '622d64' \\\n'git log -n 1 | cat'",
    {
      command: 'git log -n 1 | cat',
      code: { kind: 'git', url: 'https://github.com/spellml/examples.git', ref: '622d64' },
    },
  ],
  [
    `spell run -f --docker-image '${image}' \\\n'python -c "print(\\"Hello World\\")"'`,
    { environment: { dockerImage: image }, flags: { force: true } },
  ],
  [
    "spell run \\\n-m 's3://silo-open-data/annual/monthly_rain:data' \\\n'python main.py'",
    { mounts: [{ resource: 's3://silo-open-data/annual/monthly_rain', path: 'data' }] },
  ],
  [
    'spell run --stop-condition "keras/val_acc < 0.5 : 10" python train.py',
    { stopConditions: [[{ metric: 'keras/val_acc', operator: '<', value: 0.5, minimumIndex: 10 }]] },
  ],
  [
    'spell run "python x.py" -m a:b -t k80',
    { command: 'python x.py', mounts: [{ resource: 'a', path: 'b' }], machine: { name: 'k80' }, taken: [] },
  ],
  [
    'spell run --pip rich python fit.py data.csv 3,400,0.5',
    { command: 'python fit.py data.csv 3,400,0.5', environment: { pipPackages: ['rich'] }, taken: [] },
  ],
  [
    'spell run -d nightly -- ./bench --threads 4',
    { command: './bench --threads 4', description: 'nightly', taken: [] },
  ],
  [
    'spell run pytest -v',
    { command: 'pytest', flags: { verbose: true }, taken: ['-v'], literalForm: 'spell run -- pytest -v' },
  ],
  [
    "spell run python -c 'print(1)'",
    {
      command: 'python',
      flags: { commitRef: 'print(1)' },
      taken: ['-c print(1)'],
      takenFlags: ['--commit-ref'],
      literalForm: "spell run -- python -c 'print(1)'",
    },
  ],
  [
    'spell run -t k80 python -m pytest tests',
    {
      command: 'python tests',
      taken: ['-m pytest'],
      literalForm: 'spell run -t k80 -- python -m pytest tests',
    },
  ],
  [
    'spell run bash -vc x',
    { flags: { commitRef: 'x', verbose: true }, taken: ['-vc x'], takenFlags: ['--commit-ref'] },
  ],
  [
    'spell run python x.py --timeout=90',
    { command: 'python x.py', taken: ['--timeout=90'], limits: { timeoutMs: 5_400_000 } },
  ],
  ['spell run ./a -- --threads 4 -v', { command: './a --threads 4 -v', taken: [] }],
  ['spell run --from a --docker-image python:3.11 x', { environment: { dockerImage: 'python:3.11' } }],
  ['spell run --docker_image a --from b x', { environment: { dockerImage: 'b' } }],
  ['spell run --docker-image a --docker_image b x', { environment: { dockerImage: 'b' } }],
  ['spell run --from=a:1 x', { environment: { dockerImage: 'a:1' } }],
  [
    'spell run --docker_image a:1 --pip rich x',
    { environment: { dockerImage: 'a:1', pipPackages: ['rich'] } },
  ],
  [
    'spell run -bfv -tT4 x',
    { machine: { name: 'T4' }, flags: { background: true, force: true, verbose: true } },
  ],
  [
    'spell run -e A=b=c -e B -e C= x',
    {
      env: [
        { name: 'A', value: 'b=c' },
        { name: 'B', value: '' },
        { name: 'C', value: '' },
      ],
    },
  ],
  ['spell run --timeout 90m x', { limits: { timeoutMs: 5_400_000 } }],
  ['spell run --timeout 36h --grace 5 x', { limits: { timeoutMs: 129_600_000, graceMs: 5_000 } }],
  ['spell run --auto-resume x', { limits: { autoResume: 'on' } }],
  ['spell run --disable-auto-resume x', { limits: { autoResume: 'off' } }],
  ['spell run x', { limits: { autoResume: 'default', timeoutMs: undefined, graceMs: undefined } }],
  ['spell run --label a --label b -p p x', { labels: ['a', 'b'], project: 'p' }],
  [
    'spell run --stop-condition "a>=1&&b<-2.5e3:4" --stop-condition "c <= .5" x',
    {
      stopConditions: [
        [
          { metric: 'a', operator: '>=', value: 1, minimumIndex: 0 },
          { metric: 'b', operator: '<', value: -2500, minimumIndex: 4 },
        ],
        [{ metric: 'c', operator: '<=', value: 0.5, minimumIndex: 0 }],
      ],
    },
  ],
  [
    'spell run -m runs/1/ -m s3://b/ x',
    {
      mounts: [
        { resource: 'runs/1', path: '1' },
        { resource: 's3://b', path: 'b' },
      ],
    },
  ],
  ['spell run -m runs/1:/mnt/x/ x', { mounts: [{ resource: 'runs/1', path: '/mnt/x' }] }],
  ['spell run --github-url git@github.com:a/b.git x', { code: { url: 'git@github.com:a/b.git' } }],
  ['spell run --github-url ssh://git@host:22/a/b x', { code: { url: 'ssh://git@host:22/a/b' } }],
  [
    'spell run --tensorboard-dir logs --distributed 3 --idempotent x',
    { tensorboardDir: 'logs', nodeCount: 3, idempotent: true },
  ],
  [
    'spell run --rebuild --include-untracked --exit-code x',
    { environment: { rebuild: true }, flags: { exitCode: true, includeUntracked: true } },
  ],
  ['spell run head -5 file', { command: 'head -5 file' }],
  ['spell run "a && b; c | d > e $F"', { command: 'a && b; c | d > e $F' }],
]
for (const [line, expected] of cases) test(means, line, expected)
