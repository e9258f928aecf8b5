/**
 * Measures the cost of the worst request of each kind: microseconds of the longest step and of all steps of its scan,
 * and of the takes of its pieces where it is accepted and over the limits of one request upstream; and the MiB that the
 * kernel, the cutter and the largest piece take. The memory of the kernel is new for each kind, so that finding it
 * counts.
 *
 *     npm run bench:hostile -- [part of a kind's name]
 */
import { BodyCutter } from '../../src/batch/split.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import { allocateUnsafe } from '../../src/codec/snappy/join.ts';
import { RequestError } from '../../src/outcome/errors.ts';
import { StepTimes } from '../../test/support/step-times.ts';
import { HOSTILE_KINDS } from '../../test/support/hostile-bodies.ts';

/** The defaults of the configuration. */
const LIMITS = {
  maxBodyBytes: 10 << 20,
  maxDecodedBytes: 64 << 20,
  maxSeries: 200_000,
  maxSamples: 500_000,
  maxMetadata: 200_000,
  maxFields: 500_000,
};
/** The most microseconds for all takes. */
const MOST_US = 20e6;
const [part = ''] = process.argv.slice(2);

const MIB = 1024 * 1024;

console.log(
  `${'kind'.padEnd(48)} body MiB | scan: longest us      all | pieces, longest us      all | held MiB | answer`,
);
for (const { name, make } of HOSTILE_KINDS) {
  if (!name.includes(part)) continue;
  const kernel = new Kernel(LIMITS);
  const body = make({ bodyBytes: LIMITS.maxBodyBytes, rawBytes: LIMITS.maxDecodedBytes });
  const scan = new StepTimes();
  const takes = new StepTimes();
  let pieces = 0;
  let heldBytes = 0;
  let answer = 'accepted';
  try {
    const scanned = { ...scan.run(kernel.scanInSteps(body)) };
    const cutter = new BodyCutter(kernel, body, scanned);
    for (; !cutter.done && takes.totalUs < MOST_US; pieces += 1) {
      // Another request is served in between, so that the cutter begins anew.
      kernel.encode(Buffer.from('01'));
      const piece = takes.run(cutter.takeInSteps({ maxSamples: 5000, maxBytes: 1_000_000 }, allocateUnsafe));
      heldBytes = Math.max(heldBytes, cutter.heldBytes + (piece.body === body ? 0 : piece.body.length));
    }
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    answer = error.code;
  }
  const columns = [
    [body.length / MIB, 8, 1],
    [scan.longestUs, 18, 0],
    [scan.totalUs, 8, 0],
    [pieces, 8, 0],
    [takes.longestUs, 11, 0],
    [takes.totalUs, 8, 0],
    [(kernel.memoryBytes + heldBytes) / MIB, 10, 1],
  ] as const;
  const figures = columns.map(([value, width, digits]) => value.toFixed(digits).padStart(width));
  console.log(`${name.padEnd(48)} ${figures.join(' ')}   ${answer}`);
}
