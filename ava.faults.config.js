// The tests of `npm run test:faults`: long rounds of real programs that are killed. SPELL_BUILD as in ava.config.js.
const build = process.env.SPELL_BUILD ?? 'dist'

export default {
  files: [`${build}/test/faults/**/*.test.js`],
  workerThreads: false,
  // Where root runs the tests of a user's clone, nothing of root's stays in it.
  cache: false,
  timeout: '15m',
  concurrency: 1,
  environmentVariables: { TEST_PATIENCE_MINUTES: '90' },
}
