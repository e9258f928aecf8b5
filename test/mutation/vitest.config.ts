import { defineConfig } from 'vitest/config';

/** The tests that mutants are run against: those that start no processes of their own. */
export default defineConfig({
  test: {
    include: [process.env['MUTATION_TESTS'] ?? 'test/**/*.test.ts'],
    exclude: [
      'test/{bench,chart,commands/doctor,dev,end-to-end,hostile,image,isolation,monitoring}/**',
      '**/page.test.ts',
    ],
    testTimeout: 10_000,
    hookTimeout: 10_000,
  },
});
