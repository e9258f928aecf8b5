/**
 * `npm run hostile -- --minutes N [--seed N]`: searches for the request that costs the kernel most under the limits'
 * defaults, and prints each that is worse than those before. Exit status 1 where one takes longer than it may.
 */
import { parseArgs } from 'node:util';
import { MAX_BLOCKED_MICROSECONDS, defaultLimits } from './limits.ts';
import { searchWorst } from './search.ts';

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string', default: String(Date.now() % 1e6) } },
});
const endsAtMs = performance.now() + Number(values.minutes) * 60_000;
if (!Number.isFinite(endsAtMs)) throw new Error('Usage: npm run hostile -- --minutes N [--seed N]');
print(`seed ${values.seed}`);
const worst = searchWorst(
  defaultLimits(),
  Number(values.seed),
  () => performance.now() > endsAtMs,
  ({ microseconds, bodyBytes, rawBytes, what }) =>
    print(
      `${microseconds} us, ${(bodyBytes / 2 ** 20).toFixed(1)} MiB, ${(rawBytes / 2 ** 20).toFixed(1)} decoded: ${what}`,
    ),
);
if (worst.microseconds > MAX_BLOCKED_MICROSECONDS) {
  print(`one request took ${worst.microseconds} us, more than ${MAX_BLOCKED_MICROSECONDS}`);
  process.exitCode = 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
