// SPELL_BUILD names the folder that holds the compiled tests, so that two suites can run side by side.
const build = process.env.SPELL_BUILD ?? 'dist'

export default {
  files: [`${build}/test/**/*.test.js`, `!${build}/test/faults/**`],
  workerThreads: false,
  // Where root runs the tests of a user's clone, nothing of root's stays in it.
  cache: false,
  timeout: '10m',
  concurrency: 2,
}
