/** No request within the limits holds the event loop for long, whatever it is made of. */
import { describe, expect, test } from 'vitest';
import { BodyCutter, MAX_PIECES } from '../../src/batch/split.ts';
import { allocateUnsafe } from '../../src/codec/snappy/join.ts';
import type { Steps } from '../../src/platform/steps.ts';
import { RequestError } from '../../src/outcome/errors.ts';
import { HOSTILE_KINDS } from '../support/hostile-bodies.ts';
import { StepTimes } from '../support/step-times.ts';
import { defaultLimits, MAX_BLOCKED_MICROSECONDS } from './limits.ts';
import { searchWorst, warmKernel } from './search.ts';

/** The kinds below took 300,000 to 3,500,000 us before there were limits on counts; machines differ. */
const BOUND = MAX_BLOCKED_MICROSECONDS * 4;
const SEARCH_MS = 800;

const limits = defaultLimits();
const kernel = warmKernel(limits);

/** False where the request is refused. */
function tryRun(times: StepTimes, work: Steps<unknown>): boolean {
  try {
    times.run(work);
    return true;
  } catch (error) {
    if (error instanceof RequestError) return false;
    throw error;
  }
}

describe('the worst request of each kind', () => {
  test.each(HOSTILE_KINDS)('$name', { timeout: 60_000 }, ({ make }) => {
    const body = make({ bodyBytes: limits.maxBodyBytes, rawBytes: limits.maxDecodedBytes });
    const times = new StepTimes();
    const isAccepted = tryRun(times, kernel.scanInSteps(body));
    expect(times.longestUs).toBeLessThan(BOUND);
    if (!isAccepted) return;
    const cutter = new BodyCutter(kernel, body);
    let pieces = 0;
    for (; !cutter.done; pieces += 1) {
      kernel.encode(Buffer.from('1a00', 'hex'));
      if (!tryRun(times, cutter.takeInSteps({ maxSamples: 5000, maxBytes: 1_000_000 }, allocateUnsafe))) break;
    }
    expect(times.longestUs).toBeLessThan(BOUND);
    expect(pieces).toBeLessThanOrEqual(MAX_PIECES);
  });
});

test('a search among all kinds and their mixtures finds none that takes longer', () => {
  const endsAtMs = performance.now() + SEARCH_MS;
  const worst = searchWorst(limits, Date.now() % 1e6, () => performance.now() > endsAtMs);
  expect(worst).toEqual({ ...worst, microseconds: Math.min(worst.microseconds, BOUND) });
  expect(worst.microseconds).toBeGreaterThan(0);
});
