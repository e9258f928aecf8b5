/**
 * What the worst request of each kind costs on the event loop: microseconds of its scan, and where it is accepted and
 * over the limits of one request upstream, of the longest take and of all takes of its pieces.
 *
 *     node bench/micro/hostile.ts [part of a kind's name]
 */
import { BodyCutter } from '../../src/batch/split.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import { allocateUnsafe } from '../../src/codec/snappy/join.ts';
import { RequestError } from '../../src/outcome/errors.ts';
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
const ROUNDS = 3;
const [part = ''] = process.argv.slice(2);

/** Microseconds of the processor: what others on the machine do does not count. */
function timed<T>(work: () => T): { us: number; result: T } {
  const before = process.threadCpuUsage();
  const result = work();
  const { user, system } = process.threadCpuUsage(before);
  return { us: user + system, result };
}

const kernel = new Kernel(LIMITS);
for (const { name, make } of HOSTILE_KINDS) {
  if (!name.includes(part)) continue;
  const body = make({ bodyBytes: LIMITS.maxBodyBytes, rawBytes: LIMITS.maxDecodedBytes });
  let scanUs = Infinity;
  let answer = 'accepted';
  for (let round = 0; round < ROUNDS; round += 1) {
    const { us, result } = timed(() => {
      try {
        kernel.scan(body);
        return 'accepted';
      } catch (error) {
        if (error instanceof RequestError) return error.code;
        throw error;
      }
    });
    answer = result;
    scanUs = Math.min(scanUs, us);
  }
  let cut = '';
  if (answer === 'accepted') {
    const scanned = { ...kernel.scan(body) };
    const cutter = new BodyCutter(kernel, body, scanned);
    let longest = 0;
    let total = 0;
    let pieces = 0;
    while (!cutter.done) {
      kernel.encode(Buffer.from('01'));
      const { us } = timed(() => cutter.take({ maxSamples: 5000, maxBytes: 1_000_000 }, allocateUnsafe));
      longest = Math.max(longest, us);
      total += us;
      pieces += 1;
      if (total > 20e6) break;
    }
    cut = ` pieces ${pieces} longest ${longest.toFixed(0)} all ${total.toFixed(0)}`;
  }
  console.log(
    `${name.padEnd(48)} ${(body.length / 2 ** 20).toFixed(1).padStart(5)} MiB scan ${scanUs.toFixed(0).padStart(9)} us ${answer}${cut}`,
  );
}
