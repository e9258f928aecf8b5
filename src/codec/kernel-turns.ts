/**
 * Decides whose work in a kernel is done next, so that one sender's expensive requests delay no other sender.
 *
 * Small bodies are decoded in a kernel of their own, each in one go. Large ones are decoded, and requests are cut, in
 * `steppedKernel`: one such job at a time, a step in each turn of the event loop.
 *
 * A sender whose recent requests have cost little is served immediately. The requests of a sender over `FREE_MS` wait:
 * each turn of the event loop takes one body or one step, from the waiting sender that has cost least. So a cheap
 * sender waits for a step or two, however many connections send expensive requests. `limits.max_inflight_bytes` bounds
 * the waiting bodies.
 */
import type { Steps } from '../platform/steps.ts';
import type { Kernel } from './kernel.ts';

/**
 * The recent cost of decoding and cutting a sender's requests, in ms of the event loop; it halves every `HALF_LIFE_MS`.
 */
export interface KernelCost {
  kernelMs: number;
  kernelAtMs: number;
}

/** The cost of a sender that has not sent anything yet. */
export const NO_KERNEL_COST: Readonly<KernelCost> = { kernelMs: 0, kernelAtMs: 0 };

/** A sender with a recent cost below this does not wait. A request of 10,000 samples takes about 1 ms. */
const FREE_MS = 20;
const HALF_LIFE_MS = 1_000;
/** Stepped work that is expected to end sooner is done immediately. */
const AT_ONCE_MS = 10;
/**
 * Smaller bodies decode to at most 1.4 MB in about a millisecond; measuring them would cost two clock readings per
 * request.
 */
const SMALL_BYTES = 65_536;

/** A job that runs in `steppedKernel`. */
export interface KernelJob<T> {
  readonly steps: Steps<T>;
  /**
   * Called before each step. Returns false when nobody waits for the result any more; then neither of the two callbacks
   * below is called.
   */
  readonly isWanted: () => boolean;
  readonly done: (result: T) => void;
  readonly failed: (error: unknown) => void;
}

interface Waiting {
  readonly sender: KernelCost;
  /** Takes one step; returns true when no step is left. Does not throw. */
  readonly step: () => boolean;
  readonly isStepped: boolean;
}

export class KernelTurns {
  /** Reserved for jobs. */
  readonly steppedKernel: Kernel;
  readonly #nowMs: () => number;
  #waiting: Waiting[] = [];
  /** The job that has begun and not yet ended. */
  #begun: Waiting | undefined;
  #turnQueued = false;

  /** @param nowMs monotonic clock */
  constructor(steppedKernel: Kernel, nowMs: () => number) {
    this.steppedKernel = steppedKernel;
    this.#nowMs = nowMs;
  }

  /** The number of bodies and jobs that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Returns true if a body of so many compressed bytes may be decoded immediately, without being measured. */
  isFree(sender: KernelCost, bytes: number): boolean {
    return bytes < SMALL_BYTES && sender.kernelMs === 0;
  }

  /** Decodes a small body now or in the sender's turn. `decode` must not throw. */
  run(sender: KernelCost, decode: () => void): void {
    const nowMs = this.#nowMs();
    if (costAt(sender, nowMs) < FREE_MS) {
      this.#measure(sender, decode, nowMs);
      return;
    }
    const step = (): boolean => {
      decode();
      return true;
    };
    this.#waiting.push({ sender, step, isStepped: false });
    this.#queueTurn();
  }

  /** Does a short job now if the sender has cost little; otherwise takes one step in each of the sender's turns. */
  runInSteps<T>(sender: KernelCost, job: KernelJob<T>): void {
    const waiting: Waiting = { sender, step: () => takeStep(job), isStepped: true };
    this.#waiting.push(waiting);
    const startedAtMs = this.#nowMs();
    if (this.#begun === undefined && costAt(sender, startedAtMs) < FREE_MS) {
      do this.#take(waiting, this.#nowMs());
      while (this.#begun === waiting && this.#nowMs() - startedAtMs < AT_ONCE_MS);
    }
    if (this.#waiting.length > 0) this.#queueTurn();
  }

  readonly #turn = (): void => {
    this.#turnQueued = false;
    const nowMs = this.#nowMs();
    let least: Waiting | undefined;
    let leastCost = Infinity;
    // The first of several senders with equal costs is taken, so a sender's bodies keep their order.
    for (const each of this.#waiting) {
      const cost = costAt(each.sender, nowMs);
      if (least !== undefined && cost >= leastCost) continue;
      least = each;
      leastCost = cost;
    }
    if (least === undefined) return;
    // A job that blocks another one is finished first.
    this.#take(least.isStepped ? (this.#begun ?? least) : least, nowMs);
    if (this.#waiting.length > 0) this.#queueTurn();
  };

  #take(waiting: Waiting, nowMs: number): void {
    const { sender, step, isStepped } = waiting;
    let isLast = false;
    if (isStepped) this.#begun = waiting;
    else this.#waiting = this.#waiting.filter((each) => each !== waiting);
    this.#measure(sender, () => (isLast = step()), nowMs);
    if (!isStepped || !isLast) return;
    this.#begun = undefined;
    this.#waiting = this.#waiting.filter((each) => each !== waiting);
  }

  #queueTurn(): void {
    if (this.#turnQueued) return;
    this.#turnQueued = true;
    setImmediate(this.#turn);
  }

  #measure(sender: KernelCost, work: () => void, startedAtMs: number): void {
    const cost = costAt(sender, startedAtMs);
    work();
    const endedAtMs = this.#nowMs();
    sender.kernelMs = cost + (endedAtMs - startedAtMs);
    sender.kernelAtMs = endedAtMs;
  }
}

/** Returns true after the last step. */
function takeStep<T>({ steps, isWanted, done, failed }: KernelJob<T>): boolean {
  if (!isWanted()) return true;
  let result;
  try {
    result = steps.next();
  } catch (error) {
    failed(error);
    return true;
  }
  if (result.done !== true) return false;
  done(result.value);
  return true;
}

function costAt({ kernelMs, kernelAtMs }: KernelCost, nowMs: number): number {
  return kernelMs === 0 ? 0 : kernelMs * 2 ** (-(nowMs - kernelAtMs) / HALF_LIFE_MS);
}
