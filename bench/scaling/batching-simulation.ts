// Simulates how requests of many senders meet in batches: one event loop that reads requests, joins them as the proxy
// does, sends them, and receives the upstream's answers. Events are discrete and time is a number, so that a minute of
// traffic takes a moment and comes out the same each time.
//
// It uses the proxy's own prediction of arrivals (batch/expected-arrivals.ts) and growth of the shards; the joining is
// rewritten in the few lines that matter here. The costs of a request, a sample and a batch are measured.
import { NO_KERNEL_COST } from '../../src/codec/kernel-turns.ts';
import { ExpectedArrivals } from '../../src/batch/expected-arrivals.ts';
import { NEW_CONNECTION, type ConnectionActivity } from '../../src/parcel/connection-activity.ts';
import { ShardLimit } from '../../src/send/shard-limit.ts';
import type { CostCoefficients } from './cost-fit.ts';
import { EventQueue } from './event-queue.ts';
import { seededRandom } from '../bodies/seeded-random.ts';
import { mean } from '../figures/summary.ts';

/**
 * The pattern of arrivals. `even`: by the clock, on whichever connection is free, as the bench's load of a fixed rate
 * does. `poisson`: the same at random. `prometheus`: each connection is a shard that fills a request in the same time
 * again and again, with a phase of its own. `closed`: each connection sends again when it is answered.
 */
export type Arrivals = 'even' | 'poisson' | 'prometheus' | 'closed';

export type Traffic = {
  readonly arrivals: Arrivals;
  readonly connections: number;
  /** Over all connections; not looked at where `closed`. */
  readonly requestsPerSecond: number;
  readonly samplesPerRequest: number;
  readonly mergeKeys: number;
  readonly upstreamLatencyMs: number;
  readonly maxSamplesPerSend: number;
  readonly batchSendDeadlineMs: number;
  readonly maxShards: number;
  readonly costs: CostCoefficients;
  readonly durationMs: number;
  readonly seed: number;
};

export type Simulated = {
  readonly requests: number;
  readonly batches: number;
  readonly requestsPerSecond: number;
  readonly parcelsPerBatch: number;
  readonly samplesPerBatch: number;
  /** The time from due to answered. */
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** The part of it beyond the upstream's own latency. */
  readonly addedMs: { readonly mean: number; readonly p50: number; readonly p99: number };
  readonly utilisation: number;
  readonly mostInFlight: number;
};

type Connection = { readonly key: number; readonly activity: ConnectionActivity; readonly periodMs: number };
type Parcel = { readonly connection: Connection; readonly dueAtMs: number; readonly queuedAtMs: number };
type KeyQueue = { readonly parcels: Parcel[]; state: 'empty' | 'waiting' | 'ready'; sinceMs: number };
type Event =
  | { readonly kind: 'due'; readonly connection: Connection | undefined; readonly dueAtMs: number }
  | { readonly kind: 'answer'; readonly batch: readonly Parcel[] };

/**
 * The time that a sender of a closed loop takes to send again, on average; it varies, so that senders do not march in
 * step.
 */
const SENDER_MS = 0.2;
/** Left out of the figures, in which nothing is in its steady state yet. */
const WARM_UP_MS = 2000;

export function simulate(traffic: Traffic): Simulated {
  return new Simulation(traffic).run();
}

class Simulation {
  readonly #traffic: Traffic;
  readonly #random: () => number;
  readonly #events = new EventQueue<Event>();
  readonly #expected = new ExpectedArrivals();
  readonly #shards: ShardLimit;
  readonly #keys: readonly KeyQueue[];
  readonly #waiting = new Set<KeyQueue>();
  readonly #ready: KeyQueue[] = [];
  readonly #idle: Connection[];
  /** Due, and waiting for a connection. */
  readonly #late: number[] = [];
  readonly #latencies: number[] = [];
  readonly #figures = { batches: 0, parcels: 0, busyMs: 0, mostInFlight: 0 };
  #nowMs = 0;
  #inFlight = 0;
  #timerAtMs = Infinity;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
    this.#random = seededRandom(traffic.seed);
    this.#shards = new ShardLimit(1, traffic.maxShards);
    this.#keys = Array.from({ length: traffic.mergeKeys }, () => ({ parcels: [], state: 'empty', sinceMs: 0 }));
    const periodMs = (1000 * traffic.connections) / traffic.requestsPerSecond;
    this.#idle = Array.from({ length: traffic.connections }, (_, index) => ({
      key: index % traffic.mergeKeys,
      activity: { ...NEW_CONNECTION, sender: { address: '', isolatedAtMs: -Infinity, ...NO_KERNEL_COST } },
      periodMs,
    }));
    this.#begin();
  }

  run(): Simulated {
    for (;;) {
      const nextAtMs = Math.min(this.#events.nextAtMs, this.#timerAtMs);
      if (nextAtMs > this.#traffic.durationMs) break;
      this.#nowMs = Math.max(this.#nowMs, nextAtMs);
      this.#turn();
    }
    const { upstreamLatencyMs, samplesPerRequest, durationMs } = this.#traffic;
    const { batches, parcels, busyMs, mostInFlight } = this.#figures;
    const sorted = Float64Array.from(this.#latencies).toSorted();
    const quantile = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
    const seconds = (durationMs - WARM_UP_MS) / 1000;
    return {
      requests: sorted.length,
      batches,
      requestsPerSecond: sorted.length / seconds,
      parcelsPerBatch: parcels / batches,
      samplesPerBatch: (parcels / batches) * samplesPerRequest,
      latencyMs: { p50: quantile(0.5), p99: quantile(0.99) },
      addedMs: {
        mean: mean(this.#latencies) - upstreamLatencyMs,
        p50: quantile(0.5) - upstreamLatencyMs,
        p99: quantile(0.99) - upstreamLatencyMs,
      },
      utilisation: busyMs / (durationMs - WARM_UP_MS),
      mostInFlight,
    };
  }

  #begin(): void {
    if (this.#traffic.arrivals === 'even' || this.#traffic.arrivals === 'poisson') {
      this.#events.add(0, { kind: 'due', connection: undefined, dueAtMs: 0 });
      return;
    }
    for (const connection of this.#idle.splice(0)) {
      const dueAtMs = this.#traffic.arrivals === 'closed' ? 0 : this.#random() * connection.periodMs;
      this.#events.add(dueAtMs, { kind: 'due', connection, dueAtMs });
    }
  }

  /** One turn of the event loop: all that has come by its start is read, then batches are taken. */
  #turn(): void {
    const startedAtMs = this.#nowMs;
    for (const event of this.#events.takeUntil(startedAtMs)) {
      if (event.kind === 'answer') this.#settle(event.batch);
      else this.#fallDue(event.connection, event.dueAtMs);
    }
    this.#pump();
  }

  #fallDue(connection: Connection | undefined, dueAtMs: number): void {
    if (connection !== undefined) {
      this.#read(connection, dueAtMs);
      return;
    }
    const meanGapMs = 1000 / this.#traffic.requestsPerSecond;
    const gapMs = this.#traffic.arrivals === 'even' ? meanGapMs : -Math.log(1 - this.#random()) * meanGapMs;
    this.#events.add(dueAtMs + gapMs, { kind: 'due', connection: undefined, dueAtMs: dueAtMs + gapMs });
    const free = this.#idle.shift();
    if (free === undefined) this.#late.push(dueAtMs);
    else this.#read(free, dueAtMs);
  }

  #read(connection: Connection, dueAtMs: number): void {
    const { costs, samplesPerRequest, maxSamplesPerSend } = this.#traffic;
    this.#spend(costs.secondsPerRequest + costs.secondsPerSample * samplesPerRequest);
    this.#expected.arrived(connection.activity);
    const queue = this.#keys[connection.key];
    if (queue === undefined) throw new Error(`no merge key ${connection.key}`);
    queue.parcels.push({ connection, dueAtMs, queuedAtMs: this.#nowMs });
    if (queue.state === 'ready') return;
    if (queue.parcels.length * samplesPerRequest >= maxSamplesPerSend) {
      this.#makeReady(queue);
    } else if (queue.state === 'empty') {
      this.#makeWait(queue, this.#nowMs);
    }
  }

  #pump(): void {
    const { batchSendDeadlineMs, costs, upstreamLatencyMs } = this.#traffic;
    const release = this.#expected.expected(this.#nowMs) === 0;
    let oldestMs = Infinity;
    for (const queue of this.#waiting) {
      if (release || queue.sinceMs + batchSendDeadlineMs <= this.#nowMs) this.#makeReady(queue);
      else oldestMs = Math.min(oldestMs, queue.sinceMs);
    }
    while (this.#inFlight < this.#shards.shards) {
      const queue = this.#ready.shift();
      if (queue === undefined) break;
      const batch = this.#take(queue);
      // A full batch has left parcels behind.
      if (queue.state === 'waiting' && this.#expected.expected(this.#nowMs) === 0) this.#makeReady(queue);
      this.#inFlight += 1;
      this.#spend(costs.secondsPerBatch);
      this.#events.add(this.#nowMs + upstreamLatencyMs, { kind: 'answer', batch });
      if (this.#nowMs < WARM_UP_MS) continue;
      this.#figures.batches += 1;
      this.#figures.parcels += batch.length;
      this.#figures.mostInFlight = Math.max(this.#figures.mostInFlight, this.#inFlight);
    }
    // If all shards are busy, the end of one of them calls this anyway.
    this.#timerAtMs = this.#inFlight < this.#shards.shards ? oldestMs + batchSendDeadlineMs : Infinity;
  }

  #take(queue: KeyQueue): readonly Parcel[] {
    const { maxSamplesPerSend, samplesPerRequest } = this.#traffic;
    const batch = queue.parcels.splice(0, Math.max(1, Math.floor(maxSamplesPerSend / samplesPerRequest)));
    const rest = queue.parcels[0];
    queue.state = 'empty';
    if (rest === undefined) return batch;
    if (queue.parcels.length * samplesPerRequest >= maxSamplesPerSend) {
      this.#makeReady(queue);
    } else {
      this.#makeWait(queue, rest.queuedAtMs);
    }
    return batch;
  }

  #settle(batch: readonly Parcel[]): void {
    this.#inFlight -= 1;
    this.#shards.delivered(this.#ready.length > 0);
    for (const { connection, dueAtMs } of batch) {
      if (this.#nowMs >= WARM_UP_MS) this.#latencies.push(this.#nowMs - dueAtMs);
      this.#expected.answered(connection.activity, this.#nowMs);
      this.#goOn(connection, dueAtMs);
    }
  }

  #goOn(connection: Connection, dueAtMs: number): void {
    if (this.#traffic.arrivals === 'closed') {
      const next = this.#nowMs - Math.log(1 - this.#random()) * SENDER_MS;
      this.#events.add(next, { kind: 'due', connection, dueAtMs: next });
    } else if (this.#traffic.arrivals === 'prometheus') {
      // A shard whose next request is full already waits with it for this answer.
      const next = dueAtMs + connection.periodMs;
      this.#events.add(Math.max(next, this.#nowMs), { kind: 'due', connection, dueAtMs: next });
    } else {
      const late = this.#late.shift();
      if (late === undefined) this.#idle.push(connection);
      else this.#events.add(this.#nowMs, { kind: 'due', connection, dueAtMs: late });
    }
  }

  #makeWait(queue: KeyQueue, sinceMs: number): void {
    queue.state = 'waiting';
    queue.sinceMs = sinceMs;
    this.#waiting.add(queue);
  }

  #makeReady(queue: KeyQueue): void {
    this.#waiting.delete(queue);
    queue.state = 'ready';
    this.#ready.push(queue);
  }

  #spend(seconds: number): void {
    this.#nowMs += seconds * 1000;
    if (this.#nowMs >= WARM_UP_MS) this.#figures.busyMs += seconds * 1000;
  }
}
