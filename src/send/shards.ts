/**
 * send: shards take ready batches and see each through to the end of its parcels. A shard is a request in flight
 * upstream (or the wait before its next attempt); `limit` bounds them.
 *
 * Any shard may take any batch: a sender sends a series' next samples only after our answer, so order between
 * requests holds by causality (DESIGN, section 4).
 */
import type { Batch } from '../batch/batcher.ts';

/** Where batches come from. */
export interface BatchSource {
  tryTake(nowMs: number): Batch | undefined;
  nextDueAtMs(): number | undefined;
}

export class Shards {
  limit: number;
  readonly #source: BatchSource;
  readonly #deliver: (batch: Batch) => Promise<void>;
  readonly #beforeTake: () => void;
  readonly #nowMs: () => number;
  #inFlight = 0;
  #restUntilMs = -Infinity;
  #pumpQueued = false;
  #timer: NodeJS.Timeout | undefined;
  #timerDueAtMs = Infinity;

  /**
   * @param deliver settles every parcel of the batch; never rejects
   * @param beforeTake called before each look for a ready batch
   */
  constructor(
    source: BatchSource,
    limit: number,
    deliver: (batch: Batch) => Promise<void>,
    beforeTake: () => void,
    nowMs: () => number,
  ) {
    this.#source = source;
    this.limit = limit;
    this.#deliver = deliver;
    this.#beforeTake = beforeTake;
    this.#nowMs = nowMs;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Takes no batch before `untilMs` (monotonic clock). Those in flight go on. */
  rest(untilMs: number): void {
    this.#restUntilMs = untilMs;
  }

  get restUntilMs(): number {
    return this.#restUntilMs;
  }

  /** Looks for work after the requests that are being read in this turn of the event loop are all in. */
  poke(): void {
    if (this.#pumpQueued) return;
    this.#pumpQueued = true;
    setImmediate(this.#pump);
  }

  readonly #pump = (): void => {
    this.#pumpQueued = false;
    this.#beforeTake();
    const nowMs = this.#nowMs();
    while (this.#inFlight < this.limit && nowMs >= this.#restUntilMs) {
      const batch = this.#source.tryTake(nowMs);
      if (batch === undefined) break;
      void this.#run(batch);
      // What a full batch left behind may have nobody to wait for.
      this.#beforeTake();
    }
    this.#arm(nowMs);
  };

  async #run(batch: Batch): Promise<void> {
    this.#inFlight += 1;
    try {
      await this.#deliver(batch);
    } finally {
      this.#inFlight -= 1;
      this.poke();
    }
  }

  /** One timer, for the key whose wait ends first; with all shards busy the end of one of them pumps anyway. */
  #arm(nowMs: number): void {
    const restsUntilMs = this.#restUntilMs > nowMs ? this.#restUntilMs : undefined;
    const dueAtMs = this.#inFlight < this.limit ? (restsUntilMs ?? this.#source.nextDueAtMs() ?? Infinity) : Infinity;
    if (dueAtMs === Infinity || dueAtMs >= this.#timerDueAtMs) return;
    clearTimeout(this.#timer);
    this.#timerDueAtMs = dueAtMs;
    this.#timer = setTimeout(
      () => {
        this.#timerDueAtMs = Infinity;
        this.#pump();
      },
      Math.max(1, Math.ceil(dueAtMs - nowMs)),
    );
  }
}
