import test from 'ava'
import { Failure } from '../../cli/failure.js'
import { parse, words } from './support/parse.js'

const refused = test.macro({
  exec(t, line: string, exit: string, sentence: RegExp) {
    const error = t.throws(() => parse(words(line).slice(2)), { instanceOf: Failure })
    t.is(error?.exit, exit as Failure['exit'])
    t.regex(error?.message ?? '', sentence)
  },
  title: (_, line: string) => `refused: ${line}`,
})

const refusals: readonly (readonly [string, string, RegExp])[] = [
  ['spell run', 'usage', /command is missing/],
  ['spell run "  "', 'usage', /command is missing/],
  [
    'spell run python train.py --epochs 3',
    'usage',
    /Unknown option "--epochs".*spell run -- python train.py --epochs 3/,
  ],
  ['spell run --machine-typ T4 x', 'usage', /Did you mean --machine-type\?/],
  [
    'spell run -m a:b:c x',
    'configuration',
    /^Incorrect formatting of mount 'a:b:c', it must be <resource_path>\[:<mount_path>\]$/,
  ],
  ['spell run -m s3://a:b:c x', 'configuration', /^Incorrect formatting of mount/],
  ['spell run -m :b x', 'configuration', /^Incorrect formatting of mount ':b'/],
  ['spell run -m runs/1:/a/../b x', 'configuration', /^Incorrect formatting of mount/],
  ['spell run -m runs/1/../2 x', 'configuration', /^Incorrect formatting of mount/],
  [
    'spell run --framework a --from b x',
    'configuration',
    /^Only one of the following options can be specified: --framework, --from, --conda-file$/,
  ],
  [
    'spell run --conda-file environment.yml --docker-image b x',
    'configuration',
    /^Only one of the following/,
  ],
  [
    'spell run --conda-file environment.yml --pip rich x',
    'error',
    /^--pip or --pip-req cannot be specified when using a conda environment\. You can/,
  ],
  ['spell run --pip-req nowhere.txt x', 'configuration', /^--pip-req file not found: nowhere.txt$/],
  ['spell run --pip-req broken.txt x', 'configuration', /^Pip requirements file could not be parsed$/],
  ['spell run --pip-req binary.txt x', 'configuration', /^Pip requirements file could not be parsed$/],
  ['spell run --stop-condition "loss" x', 'usage', /^Condition loss formatted incorrectly$/],
  ['spell run --stop-condition "loss == 3" x', 'usage', /^Condition loss == 3 formatted incorrectly$/],
  ['spell run --stop-condition "loss < low" x', 'usage', /^Condition must be an integer or float$/],
  ['spell run --stop-condition "loss < 3 : 1.5" x', 'usage', /^Minimum steps must be integer$/],
  ['spell run --github-url file:///etc x', 'usage', /file:\/\/\/etc/],
  ['spell run --github-url ../elsewhere x', 'usage', /is none of these/],
  ['spell run --github-ref main x', 'usage', /--github-url/],
  ['spell run --github-url https://h/x -c main x', 'usage', /--github-ref/],
  ['spell run -e =x y', 'usage', /environment variable/],
  ['spell run --auto-resume --disable-auto-resume x', 'usage', /Only one/],
  ["spell run --from '' x", 'usage', /^--from needs the name of an image\.$/],
  ["spell run --from a --docker_image '' x", 'usage', /^--from needs/],
  ["spell run --project '' x", 'usage', /^--project needs the name of a project\.$/],
  [
    'spell run grep foo -t',
    'usage',
    /^Option "-t" needs a value\. If it belongs to your command, put -- before the command: spell run -- grep foo -t$/,
  ],
  ['spell run grep foo -vm', 'usage', /^Option "-vm" needs a value\. If it belongs/],
  ['spell run "grep foo" --commit-ref', 'usage', /^Option "--commit-ref" needs a value\.$/],
  ['spell run --deps-from-env x', 'error', /--deps-from-env is not part/],
]
for (const [line, exit, sentence] of refusals) test(refused, line, exit, sentence)
