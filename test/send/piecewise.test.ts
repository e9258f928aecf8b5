import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { BatchLimits } from '../../src/send/batch-limits.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import { KernelTurns, NO_KERNEL_COST, type KernelCost } from '../../src/codec/kernel-turns.ts';
import { BufferPool } from '../../src/memory/buffer-pool.ts';
import { RequestError } from '../../src/outcome/errors.ts';
import type { Outcome, Verdict } from '../../src/outcome/outcome.ts';
import type { Steps } from '../../src/platform/steps.ts';
import type { Payload } from '../../src/send/payload.ts';
import { Piecewise, type Cutter } from '../../src/send/piecewise.ts';
import { BAD_DATA, failed, TAKEN, throttled } from '../support/delivering.ts';

const HISTORY_BYTES = 1000;
const BYTES_A_SAMPLE = 10;
const DELIVERED = { kind: 'delivered', deduplicated: false };

/** Cuts a request of series that have one sample and ten bytes each, but for the large ones. */
class SeriesCutter implements Cutter {
  readonly heldBytes = HISTORY_BYTES;
  readonly taken: { from: number; samples: number }[] = [];
  readonly #bytes: readonly number[];
  #nextAt = 0;
  #lastAt = 0;

  constructor(bytes: readonly number[]) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#nextAt === this.#bytes.length;
  }

  /** The second step is the last one. */
  *takeInSteps(limits: BatchLimits, allocate: (bytes: number) => Buffer): Steps<Payload> {
    yield;
    return this.#take(limits, allocate);
  }

  #take({ maxSamples, maxBytes }: BatchLimits, allocate: (bytes: number) => Buffer): Payload {
    this.#lastAt = this.#nextAt;
    let bytes = 0;
    let samples = 0;
    for (const size of this.#bytes.slice(this.#nextAt)) {
      if (samples > 0 && (samples + 1 > maxSamples || bytes + size > maxBytes)) break;
      bytes += size;
      samples += 1;
    }
    this.#nextAt += samples;
    if (bytes > 50_000) throw new RequestError('BODY_TOO_LARGE', 'one series is larger than can be encoded');
    this.taken.push({ from: this.#lastAt, samples });
    const body = allocate(bytes);
    return { body, samples, histograms: 0, exemplars: 0, metadata: 0, rawBytes: bytes, elementsAt: 1 };
  }

  putBack(): void {
    this.#nextAt = this.#lastAt;
  }
}

class Held {
  bytes = 0;
  hold(bytes: number): void {
    this.bytes += bytes;
  }
}

interface Rig {
  readonly piecewise: Piecewise;
  readonly cutter: SeriesCutter;
  readonly held: Held;
}

function cut(
  series: number | readonly number[],
  maxSamples: number,
  maxBytes = 100_000,
  sender: KernelCost = { ...NO_KERNEL_COST },
): Rig {
  const cutter = new SeriesCutter(
    typeof series === 'number' ? Array.from({ length: series }, () => BYTES_A_SAMPLE) : series,
  );
  const held = new Held();
  const turns = new KernelTurns(new Kernel({ maxBodyBytes: 1024, maxDecodedBytes: 1024 }), () => 0);
  const deps = { pool: new BufferPool(0), memory: held, turns };
  const piecewise = new Piecewise(cutter, { maxSamples, maxBytes }, deps, sender);
  return { piecewise, cutter, held };
}

/** Sends each piece with the next of the verdicts, the last one for all that follow; gives the outcome. */
function sendAll({ piecewise }: Rig, ...verdicts: readonly Verdict[]): Outcome {
  for (let sent = 0; sent < 100; sent += 1) {
    const next = piecewise.tryNext(() => {});
    if (next === undefined) throw new Error('a sender that has cost nothing waits');
    if ('kind' in next) return next;
    piecewise.sent(verdicts[Math.min(sent, verdicts.length - 1)] ?? TAKEN);
  }
  throw new Error('it does not come to an end');
}

const sizes = ({ cutter }: Rig): number[] => cutter.taken.map(({ samples }) => samples);
const starts = ({ cutter }: Rig): number[] => cutter.taken.map(({ from }) => from);

test('sends piece after piece in order, and is delivered when all are', () => {
  const rig = cut(5, 2);
  expect(sendAll(rig, TAKEN)).toEqual(DELIVERED);
  expect(rig.cutter.taken).toEqual([
    { from: 0, samples: 2 },
    { from: 2, samples: 2 },
    { from: 4, samples: 1 },
  ]);
});

test('is deduplicated only when every piece was', () => {
  const deduplicated: Verdict = { kind: 'delivered', deduplicated: true };
  expect(sendAll(cut(4, 2), deduplicated)).toEqual(deduplicated);
  expect(sendAll(cut(4, 2), TAKEN, deduplicated)).toEqual(DELIVERED);
  expect(sendAll(cut(4, 2), deduplicated, TAKEN)).toEqual(DELIVERED);
});

test('is rejected with the first verdict of a piece that was, and the pieces after it are sent all the same', () => {
  const rig = cut(6, 2);
  const later: Verdict = { kind: 'rejected', status: 400, reason: 'other', message: 'later' };
  expect(sendAll(rig, TAKEN, BAD_DATA, later)).toEqual(BAD_DATA);
  expect(starts(rig)).toEqual([0, 2, 4]);
});

test.each([
  ['fails', failed()],
  ['is refused for its signature', { kind: 'unauthorized', code: '403', message: '' } as const],
  ['is throttled for its rate of requests', throttled('requests')],
])('a piece that %s is sent again as it was', (_what, verdict) => {
  const rig = cut(600, 300);
  expect(sendAll(rig, verdict, verdict, TAKEN)).toEqual(DELIVERED);
  expect(sizes(rig)).toEqual([300, 300, 300, 300]);
  expect(starts(rig)).toEqual([0, 0, 0, 300]);
});

test.each(['samples', 'unknown'] as const)('a piece that is throttled for %s is made smaller, to 55 in 100', (kind) => {
  const rig = cut(1000, 1000);
  expect(sendAll(rig, throttled(kind), throttled(kind), TAKEN)).toEqual(DELIVERED);
  expect(sizes(rig)).toEqual([1000, 550, 303, 303, 303, 91]);
});

test('a piece that is throttled is not made smaller than 100 samples', () => {
  const rig = cut(250, 120);
  const throttle = throttled('samples');
  expect(sendAll(rig, throttle, throttle, throttle, TAKEN)).toEqual(DELIVERED);
  expect(sizes(rig)).toEqual([120, 100, 100, 100, 100, 50]);
});

test('a piece that is throttled below that size is not made larger', () => {
  const rig = cut(100, 60);
  sendAll(rig, throttled('samples'), TAKEN);
  expect(sizes(rig)).toEqual([60, 60, 40]);
});

test('a piece that is too large is cut until it fits', () => {
  const rig = cut(100, 1000);
  const tooLarge: Verdict = { kind: 'too_large', message: '' };
  expect(sendAll(rig, tooLarge, tooLarge, TAKEN)).toEqual(DELIVERED);
  // 1000, 550 and 303 bytes.
  expect(sizes(rig)).toEqual([100, 55, 30, 30, 30, 10]);
});

test('a single series that is too large is rejected with 413, and what is after it is delivered', () => {
  const rig = cut([10, 2000, 10], 1);
  const outcome = sendAll(rig, TAKEN, { kind: 'too_large', message: '' }, TAKEN);
  expect(outcome).toMatchObject({ kind: 'rejected', status: 413, reason: 'too_large' });
  expect(outcome).toMatchObject({ message: expect.stringContaining('2000 compressed bytes') });
  // It is not sent again, so the third verdict is the last series's.
  expect(starts(rig)).toEqual([0, 1, 1, 2]);
  expect(rig.held.bytes).toBe(HISTORY_BYTES);
});

test('the rejection of a series that cannot be encoded says why', () => {
  const rig = cut([10, 60_000], 1);
  const outcome = sendAll(rig, TAKEN);
  expect(outcome).toMatchObject({ kind: 'rejected', status: 413 });
  expect(outcome).toMatchObject({ message: expect.stringContaining('larger than can be encoded') });
});

test('counts a piece as held only while it is sent, and what the cutter keeps until it is disposed of', () => {
  const { piecewise, held } = cut(4, 2);
  expect(held.bytes).toBe(0);
  piecewise.tryNext(() => {});
  expect(held.bytes).toBe(HISTORY_BYTES + 2 * BYTES_A_SAMPLE);
  piecewise.sent(TAKEN);
  expect(held.bytes).toBe(HISTORY_BYTES);
  piecewise.tryNext(() => {});
  piecewise.dispose();
  piecewise.dispose();
  expect(held.bytes).toBe(0);
});

test('a piece of a sender that has cost much is made in turns, a step in each turn of the event loop', async () => {
  const { piecewise, held } = cut(4, 2, 100_000, { kernelMs: 1000, kernelAtMs: 0 });
  let made = 0;
  const onMade = (): void => void (made += 1);
  expect(piecewise.tryNext(onMade)).toBeUndefined();
  await turn();
  expect([made, piecewise.tryNext(onMade)]).toEqual([0, undefined]);
  await turn();
  expect(made).toBe(1);
  expect(held.bytes).toBe(HISTORY_BYTES + 2 * BYTES_A_SAMPLE);
  expect(piecewise.tryNext(onMade)).toMatchObject({ samples: 2 });
});

test('a piece that is not wanted any more is not made', async () => {
  const { piecewise, cutter, held } = cut(4, 2, 100_000, { kernelMs: 1000, kernelAtMs: 0 });
  let made = 0;
  expect(piecewise.tryNext(() => (made += 1))).toBeUndefined();
  await turn();
  piecewise.dispose();
  await turn();
  expect([made, cutter.taken, held.bytes]).toEqual([0, [], 0]);
});

test('a single series that cannot be encoded is rejected with 413, and what is around it is delivered', () => {
  const rig = cut([10, 60_000, 10, 10], 2, 100);
  expect(sendAll(rig, TAKEN)).toMatchObject({ kind: 'rejected', status: 413, reason: 'too_large' });
  expect(rig.cutter.taken).toEqual([
    { from: 0, samples: 1 },
    { from: 2, samples: 2 },
  ]);
});
