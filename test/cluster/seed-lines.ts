// Every command line of the product's own description ("What is a run"), in its order and as printed there.

export type SeedLine = {
  /** As printed; several printed together are one. */
  readonly line: string
} & ({ readonly todo: string } | Tried)

interface Tried {
  /** What is typed instead, where an address or image of the line can't be had; RUN_ID is that of the run before. */
  readonly typed?: string
  /** Run first, in the same folder, by bash. */
  readonly before?: string
  /** In the output of the line. */
  readonly shows: readonly string[]
}

const environments = 'environments: packages and frameworks'
const data = 'data: mounts and uploads'
const code = 'code: repositories from elsewhere'
const metrics = 'metrics and stop conditions'

export const seedLines: readonly SeedLine[] = [
  {
    line: 'spell run "echo hello world"',
    shows: [
      ...['💫 Casting spell #', '✨ Stop viewing logs with ^C', '✨ Machine_Requested… done'],
      ...['✨ Building… done', '✨ Run is running', '\nhello world\n', '🎉 Total run time: ', ' complete'],
    ],
  },
  {
    line: `spell run --mount runs/1/data:datasets \\
--machine-type T4 \\
--apt ffmpeg \\
--pip moviepy \\
"python style.py \\
--checkpoint-dir ckpt \\
--style images/style/my-style-image.jpg \\
--style-weight 1.5e2 \\
--train-path datasets/train2014 \\
--vgg-path datasets/imagenet-vgg-verydeep-19.mat"`,
    todo: data,
  },
  {
    line: `mkdir project
cd project
echo 'running on Spell!' > file
git add file && git commit -m 'first commit'
spell run cat file`,
    // The description has it that the folder is already in a repository ("just run git init").
    before: 'git init -q .',
    shows: ['\nrunning on Spell!\n', ' complete'],
  },
  { line: 'spell run --framework tensorflow "python train.py"', todo: environments },
  { line: 'spell run --pip sklearn "python train.py"', todo: environments },
  { line: 'spell run --pip sklearn --pip imageio "python train.py"', todo: environments },
  { line: 'spell run --pip-req requirements.txt "python train.py"', todo: environments },
  { line: 'spell run --conda-file ./environment.yml "python train.py"', todo: environments },
  { line: 'spell run --apt libprotobuf-dev --apt protobuf-compiler "python train.py"', todo: environments },
  {
    line: `spell run --framework fastai --apt ffmpeg --pip cudatoolkit\\>=9.0 "echo 'hello world'"`,
    todo: environments,
  },
  { line: 'spell run --mount public/audio/css10:/mnt/audio-data "ls /mnt/audio-data"', todo: data },
  { line: 'spell run --mount public/audio/css10:audio-data "python main.py"', todo: data },
  { line: 'spell run --mount public/audio/css10 "python main.py"', todo: data },
  {
    line: 'spell run "echo hello world! > foo.txt"',
    // What it saves is the point of the line.
    typed: 'spell run "echo hello world! > foo.txt" && spell ls runs/$RUN_ID',
    shows: [' complete', 'foo.txt\n'],
  },
  { line: 'spell run --mount runs/435/foo.txt:/spell/foo.txt cat foo.txt', todo: data },
  {
    line: 'spell run --env CUDA_VISIBLE_DEVICES=1 "python example.py"',
    before: `git init -q . && echo 'import os; print("sees", os.environ["CUDA_VISIBLE_DEVICES"])' > example.py && git add example.py && git commit -q -m example`,
    shows: ['\nsees 1\n', ' complete'],
  },
  {
    line: `spell run \\
--github-url 'https://github.com/spellml/examples.git' \\
--github-ref '622d64' \\
'git log -n 1 | cat'`,
    todo: code,
  },
  {
    line: 'spell stop $RUN_ID',
    before: 'spell run -f -b "sleep 600"',
    shows: ['Stopping run ', "Use 'spell logs -f "],
  },
  { line: 'spell kill $RUN_ID', before: 'spell run -f -b "sleep 600"', shows: ['$RUN_ID\n'] },
  {
    line: `spell run -f --docker-image 'python:latest' \\
'python -c "print(\\"Hello World\\")"'`,
    typed: `spell run -f --docker-image "$IMAGE" \\
'python -c "print(\\"Hello World\\")"'`,
    shows: ['\nHello World\n', ' complete'],
  },
  { line: 'spell cluster add-docker-registry', todo: environments },
  { line: 'spell cluster delete-docker-registry', todo: environments },
  {
    line: `spell run \\
-m 's3://silo-open-data/annual/monthly_rain:data' \\
'python main.py'`,
    todo: data,
  },
  { line: 'spell run --stop-condition "keras/val_acc < 0.5 : 10" "python train.py"', todo: metrics },
  { line: 'spell upload', todo: data },
]
