import { defineConfig } from 'vitest/config';

/** The tests that mutants are run against: those that start no processes of their own. */
export default defineConfig({
  test: {
    include: [process.env['MUTATION_TESTS'] ?? 'test/**/*.test.ts'],
    exclude: [
      'test/{bench,chart,dashboard,doctor,end-to-end,health,hostile,image,isolation,rules,sandbox}/**',
      'test/status/page.test.ts',
    ],
    testTimeout: 10_000,
    hookTimeout: 10_000,
  },
});
