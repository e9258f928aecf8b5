/**
 * Decides when a body is decoded, so that one sender's expensive bodies keep nobody else waiting.
 *
 * Decoding is synchronous, and a body within all limits can take tens of milliseconds. A sender whose bodies have cost
 * little lately has them decoded at once. Those of a sender over `FREE_MS` wait: one body of them all in each turn of the
 * event loop, of the sender that has cost least. So whoever is cheap waits for one expensive body at most, however many
 * connections send them. What waits is bounded by `limits.max_inflight_bytes`.
 */

/** What the decoding of a sender's bodies has cost lately, in ms of the event loop; it halves in each `HALF_LIFE_MS`. */
export interface DecodeCost {
  decodeMs: number;
  decodedAtMs: number;
}

/** Of a sender's lately used time, what is free: a request of 10,000 samples takes about 1 ms. */
const FREE_MS = 20;
const HALF_LIFE_MS = 1_000;
/** Smaller bodies decode to 1.4 MB at most, in a millisecond or so: measuring them would cost every request two clock readings. */
const SMALL_BYTES = 65_536;

interface Waiting {
  readonly sender: DecodeCost;
  readonly decode: () => void;
}

export class DecodeTurns {
  readonly #nowMs: () => number;
  #waiting: Waiting[] = [];
  #turnQueued = false;

  /** @param nowMs monotonic clock */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Bodies that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** True for a body of so many compressed bytes that may be decoded at once and need not be measured. */
  isFree(sender: DecodeCost, bytes: number): boolean {
    return bytes < SMALL_BYTES && sender.decodeMs === 0;
  }

  /** Decodes a body now or when it is the sender's turn. `decode` must not throw. */
  run(sender: DecodeCost, decode: () => void): void {
    const nowMs = this.#nowMs();
    if (costAt(sender, nowMs) < FREE_MS) {
      this.#measure(sender, decode, nowMs);
      return;
    }
    this.#waiting.push({ sender, decode });
    this.#queueTurn();
  }

  readonly #turn = (): void => {
    this.#turnQueued = false;
    const nowMs = this.#nowMs();
    let least: Waiting | undefined;
    // The first of those that cost the same: a sender's bodies keep their order.
    for (const each of this.#waiting) {
      if (least === undefined || costAt(each.sender, nowMs) < costAt(least.sender, nowMs)) least = each;
    }
    if (least === undefined) return;
    const { sender, decode } = least;
    this.#waiting = this.#waiting.filter((each) => each !== least);
    this.#measure(sender, decode, nowMs);
    if (this.#waiting.length > 0) this.#queueTurn();
  };

  #queueTurn(): void {
    if (this.#turnQueued) return;
    this.#turnQueued = true;
    setImmediate(this.#turn);
  }

  #measure(sender: DecodeCost, decode: () => void, startedAtMs: number): void {
    const cost = costAt(sender, startedAtMs);
    decode();
    const endedAtMs = this.#nowMs();
    sender.decodeMs = cost + (endedAtMs - startedAtMs);
    sender.decodedAtMs = endedAtMs;
  }
}

function costAt({ decodeMs, decodedAtMs }: DecodeCost, nowMs: number): number {
  return decodeMs === 0 ? 0 : decodeMs * 2 ** (-(nowMs - decodedAtMs) / HALF_LIFE_MS);
}
