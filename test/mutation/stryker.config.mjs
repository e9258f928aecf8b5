/**
 * Mutates sources of the service and runs the unit tests against each mutant: `npm run mutation -- --mutate GLOB`. The
 * environment variable MUTATION_TESTS (a glob) limits which test files are run, so that a folder is quick:
 *
 *     MUTATION_TESTS='test/{queue,send}/**' npm run mutation -- --mutate 'src/queue/*.ts'
 */
export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'test/mutation/vitest.config.ts', related: true },
  coverageAnalysis: 'perTest',
  concurrency: 1,
  timeoutMS: 10_000,
  mutate: [],
  // There is none: Stryker would rewrite it with the JavaScript API of TypeScript, which version 7 does not have.
  tsconfigFile: 'test/mutation/none.json',
  ignorePatterns: ['bench', 'charts', 'docs', 'test/image', 'test/soak'],
  tempDirName: '.stryker',
  reporters: ['clear-text', 'progress-append-only'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  thresholds: { high: 95, low: 85, break: 85 },
};
