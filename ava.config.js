// SPELL_BUILD names the folder that holds the compiled tests, so that two suites can run side by side.
const build = process.env.SPELL_BUILD ?? 'dist'

export default {
  files: [`${build}/test/**/*.test.js`, `!${build}/test/faults/**`],
  workerThreads: false,
  timeout: '10m',
  concurrency: 2,
}
