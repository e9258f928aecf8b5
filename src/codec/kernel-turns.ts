/**
 * Decides whose work in a kernel is done next, so that one sender's expensive requests keep nobody else waiting.
 *
 * Small bodies are decoded in a kernel of their own, each in one go. Large ones are decoded, and requests are cut, in
 * `steppedKernel`: one such job at a time, a step in each turn of the event loop.
 *
 * A sender whose requests have cost little lately is served at once. Those of a sender over `FREE_MS` wait: one body or one
 * step of them all in each turn of the event loop, of the sender that has cost least. So whoever is cheap waits for a
 * step or two, however many connections send what is expensive. What waits is bounded by `limits.max_inflight_bytes`.
 */
import type { Steps } from '../platform/steps.ts';
import type { Kernel } from './kernel.ts';

/** What decoding and cutting a sender's requests has cost lately, in ms of the event loop; it halves in each `HALF_LIFE_MS`. */
export interface KernelCost {
  kernelMs: number;
  kernelAtMs: number;
}

/** Of a sender that has cost nothing yet. */
export const NO_KERNEL_COST: Readonly<KernelCost> = { kernelMs: 0, kernelAtMs: 0 };

/** Of a sender's lately used time, what is free: a request of 10,000 samples takes about 1 ms. */
const FREE_MS = 20;
const HALF_LIFE_MS = 1_000;
/** Work in steps that ends sooner is done at once. */
const AT_ONCE_MS = 10;
/** Smaller bodies decode to 1.4 MB at most, in a millisecond or so: measuring them would cost every request two clock readings. */
const SMALL_BYTES = 65_536;

/** Work in `steppedKernel`. */
export interface KernelJob<T> {
  readonly steps: Steps<T>;
  /** Asked before each step: false when nobody waits for the result any more, and neither of the two below is called. */
  readonly isWanted: () => boolean;
  readonly done: (result: T) => void;
  readonly failed: (error: unknown) => void;
}

interface Waiting {
  readonly sender: KernelCost;
  /** One step; true when there is none left. Does not throw. */
  readonly step: () => boolean;
  readonly isStepped: boolean;
}

export class KernelTurns {
  /** For nothing but jobs. */
  readonly steppedKernel: Kernel;
  readonly #nowMs: () => number;
  #waiting: Waiting[] = [];
  /** The job that has begun and not ended. */
  #begun: Waiting | undefined;
  #turnQueued = false;

  /** @param nowMs monotonic clock */
  constructor(steppedKernel: Kernel, nowMs: () => number) {
    this.steppedKernel = steppedKernel;
    this.#nowMs = nowMs;
  }

  /** Bodies and jobs that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** True for a body of so many compressed bytes that may be decoded at once and need not be measured. */
  isFree(sender: KernelCost, bytes: number): boolean {
    return bytes < SMALL_BYTES && sender.kernelMs === 0;
  }

  /** Decodes a small body now or when it is the sender's turn. `decode` must not throw. */
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

  /** Does a job now, where it is short and the sender has cost little, or a step whenever it is the sender's turn. */
  runInSteps<T>(sender: KernelCost, job: KernelJob<T>): void {
    const waiting: Waiting = { sender, step: () => takeStep(job), isStepped: true };
    this.#waiting.push(waiting);
    const startedAtMs = this.#nowMs();
    const isNext = this.#begun === undefined && this.#waiting.every((each) => each === waiting || !each.isStepped);
    if (isNext && costAt(sender, startedAtMs) < FREE_MS) {
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
    // The first of those that cost the same: a sender's bodies keep their order.
    for (const each of this.#waiting) {
      const cost = costAt(each.sender, nowMs);
      if (least !== undefined && cost >= leastCost) continue;
      least = each;
      leastCost = cost;
    }
    if (least === undefined) return;
    // A job that another one is waiting for comes to its end first.
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

/** True when it was the last step. */
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
