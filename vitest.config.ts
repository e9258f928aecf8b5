import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { SkippedReporter } from './test/support/skipped-reporter.ts';
import { measureSlowness, SLOWNESS_VARIABLE } from './test/support/slowness.ts';

/** These start no process of ours and change nothing global, so that one process runs many of the files. */
const UNIT = [
  'test/admin/status-page/!(page|routes|stream).test.ts',
  'test/monitoring/**/!(rules).test.ts',
  'test/{aws,batch,config,decode,docs,memory,metrics,outcome,parcel,platform,queue}/**/*.test.ts',
  'test/codec/snappy/*.test.ts',
  'test/send/*.test.ts',
  'test/support/*.test.ts',
];

process.env[SLOWNESS_VARIABLE] ??= measureSlowness().toFixed(2);
// Hundreds of processes are started from the same sources; each but the first finds them compiled.
process.env['NODE_COMPILE_CACHE'] ??= path.resolve('node_modules/.cache/node-compile-cache');

export default defineConfig({
  test: {
    // End-to-end tests start processes of their own; two files at a time is what two cores carry.
    maxWorkers: 2,
    setupFiles: ['test/support/time-limits.ts'],
    reporters: ['default', new SkippedReporter()],
    projects: [
      { extends: true, test: { name: 'unit', include: UNIT, isolate: false } },
      { extends: true, test: { name: 'processes', include: ['test/**/*.test.ts'], exclude: UNIT } },
    ],
  },
});
