/**
 * Searches for the request within the limits that costs the kernel most: requests of the hostile kinds, joined in any
 * shares, are changed at random (by fast-check), and a change that costs more is kept.
 */
import * as fc from 'fast-check';
import { BodyCutter } from '../../src/batch/split.ts';
import { Kernel, type KernelLimits } from '../../src/codec/kernel.ts';
import { allocateUnsafe, joinBodies } from '../../src/codec/snappy/join.ts';
import { readVarint, varintEnd } from '../../src/codec/snappy/varint.ts';
import { RequestError } from '../../src/outcome/errors.ts';
import { HOSTILE_KINDS } from '../support/hostile-bodies.ts';
import { StepTimes } from '../support/step-times.ts';

/** One part of a request: a kind, and the binary logarithms of the sizes that it may have. */
interface Part {
  readonly kind: number;
  readonly rawBits: number;
  readonly bodyBits: number;
}

export interface Worst {
  /** CPU time in one step of the scan or of a take of a piece. */
  readonly microseconds: number;
  readonly bodyBytes: number;
  readonly rawBytes: number;
  /** The parts of the request, and its outcome. */
  readonly what: string;
}

const part: fc.Arbitrary<Part> = fc.record({
  kind: fc.nat(HOSTILE_KINDS.length - 1),
  rawBits: fc.double({ min: 12, max: 26, noNaN: true }),
  bodyBits: fc.double({ min: 17, max: 23.3, noNaN: true }),
});
const parts = fc.array(part, { minLength: 1, maxLength: 4 });
/** A change to the best request so far: parts are replaced, added and left out. */
const change = fc.record({ at: fc.nat(3), removes: fc.boolean(), put: fc.option(part) });

/** Upstream's, by the defaults of queue_config. */
const SPLIT = { maxSamples: 5000, maxBytes: 1_000_000 };
const OTHER = Buffer.from('0a060a040a001200', 'hex');

/**
 * @param isOver asked before every request that is tried
 * @param onWorse told of every one that is worse than all before
 */
export function searchWorst(
  limits: KernelLimits,
  seed: number,
  isOver: () => boolean,
  onWorse?: (worst: Worst) => void,
): Worst {
  const kernel = warmKernel(limits);
  let best: readonly Part[] = [];
  let worst: Worst = { microseconds: 0, bodyBytes: 0, rawBytes: 0, what: '' };
  for (let round = 0; !isOver() || worst.microseconds === 0; round += 1) {
    const fresh =
      (round % 4 === 0 ? fc.sample(parts, { seed: seed + round, numRuns: 1 })[0] : undefined) ??
      mutate(best, seed + round);
    const body = bodyOf(fresh, limits);
    if (body === undefined) continue;
    const found = costOf(kernel, body, fresh);
    if (found.microseconds <= worst.microseconds) continue;
    // Once more, so that nobody else's fault is taken for a find.
    const again = costOf(kernel, body, fresh);
    if (again.microseconds <= worst.microseconds) continue;
    worst = again;
    best = fresh;
    onWorse?.(worst);
  }
  return worst;
}

/**
 * A kernel that has served a request of the largest size: the first one makes the system find memory, which takes
 * longer than anything in it, and V8 compile the code a second time.
 */
export function warmKernel(limits: KernelLimits): Kernel {
  const kernel = new Kernel(limits);
  for (const { name, make } of HOSTILE_KINDS) {
    if (name.startsWith('long copies'))
      kernel.scan(make({ bodyBytes: limits.maxBodyBytes, rawBytes: limits.maxDecodedBytes }));
  }
  return kernel;
}

function mutate(best: readonly Part[], seed: number): readonly Part[] {
  const [{ at, removes, put } = { at: 0, removes: false, put: null }] = fc.sample(change, { seed, numRuns: 1 });
  const kept = best.filter((_, index) => !(removes && index === at % Math.max(1, best.length)));
  return put === null ? kept : [...kept.slice(0, at), put, ...kept.slice(at)].slice(0, 4);
}

/** Undefined where it is nothing or exceeds the limits on sizes. */
function bodyOf(chosen: readonly Part[], limits: KernelLimits): Buffer | undefined {
  const bodies = chosen.flatMap(({ kind, rawBits, bodyBits }) => {
    const made = HOSTILE_KINDS[kind]?.make({
      rawBytes: Math.floor(2 ** rawBits) + 70_000,
      bodyBytes: Math.floor(2 ** bodyBits) + 70_000,
    });
    return made === undefined ? [] : [{ body: made, rawBytes: readVarint(made) ?? 0, elementsAt: varintEnd(made) }];
  });
  const rawBytes = bodies.reduce((sum, body) => sum + body.rawBytes, 0);
  if (bodies.length === 0 || rawBytes > limits.maxDecodedBytes) return undefined;
  const joined = joinBodies(bodies);
  return joined.length > limits.maxBodyBytes ? undefined : joined;
}

/** Measures the cost of a request, and its outcome. Throws for an outcome that is not an answer to a sender. */
function costOf(kernel: Kernel, body: Buffer, chosen: readonly Part[]): Worst {
  const times = new StepTimes();
  let answer = 'accepted';
  try {
    const scanned = { ...times.run(kernel.scanInSteps(body)) };
    const cutter = new BodyCutter(kernel, body, scanned);
    for (let pieces = 0; !cutter.done && pieces < 8; pieces += 1) {
      kernel.encode(OTHER);
      times.run(cutter.takeInSteps(SPLIT, allocateUnsafe));
    }
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    answer = error.code;
  }
  const names = chosen.map(({ kind, rawBits }) => `${HOSTILE_KINDS[kind]?.name} 2^${rawBits.toFixed(1)}`);
  return {
    microseconds: times.longestUs,
    bodyBytes: body.length,
    rawBytes: readVarint(body) ?? 0,
    what: `${names.join(' + ')}: ${answer}`,
  };
}
