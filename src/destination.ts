/**
 * The half of the floor plan that is there once for each remote_write entry: queue -> batch -> send -> outcome, built
 * top to bottom in the order of the walk.
 */
import { readFileSync } from 'node:fs';
import { Apart } from './batch/apart.ts';
import { Batcher } from './batch/batcher.ts';
import { Company } from './batch/company.ts';
import { splitBody } from './batch/split.ts';
import type { BufferPool } from './codec/buffer-pool.ts';
import type { Kernel } from './codec/kernel.ts';
import { ALONE } from './decode/write-request.ts';
import type { RemoteWriteConfig } from './config/schema.ts';
import type { DestinationMetrics } from './metrics/counts.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics/metrics.ts';
import { monotonicMs } from './monotonic.ts';
import { RecurringLog } from './recurring-log.ts';
import { Ledger } from './queue/ledger.ts';
import { ParcelQueue } from './queue/parcel-queue.ts';
import type { Parcel, ParcelLedger } from './queue/parcel.ts';
import type { RoutedDestination } from './receive/server.ts';
import { Breaker, PROBES } from './send/breaker.ts';
import { openUpstream } from './send/upstream/open-upstream.ts';
import type { Outcome, Verdict } from './outcome/outcome.ts';
import { Sender } from './send/sender.ts';
import { ShardLimit } from './send/shard-limit.ts';
import { Shards } from './send/shards.ts';
import type { Upstream } from './send/upstream/upstream.ts';
import { UpstreamClock } from './sign/clock.ts';
import { Credentials } from './sign/credentials.ts';
import { makeProvider } from './sign/provider.ts';
import { RemoteWriteSigner } from './sign/sigv4.ts';
import { Problems } from './status/problems.ts';
import type { DestinationSource } from './status/source.ts';

/** Queue to outcome for one remote_write entry. */
export class DestinationRooms implements RoutedDestination {
  readonly name: string;
  readonly workspaceId: string | undefined;
  readonly deliveryTimeoutMs: number;
  readonly #ledger: Ledger;
  readonly credentials: Credentials;
  /** What the status page reads. */
  readonly status: DestinationSource;
  readonly #problems = new Problems(Date.now);
  readonly #company = new Company();
  readonly #apart = new Apart();
  readonly #log: Log;
  readonly #rejections: RecurringLog;
  readonly #breaker: Breaker;
  readonly #limit: ShardLimit;
  readonly #metrics: DestinationMetrics;
  readonly #queue: ParcelQueue;
  readonly #batcher: Batcher;
  readonly #shards: Shards;
  readonly #sender: Sender;
  readonly #upstream: Upstream;
  #draining = false;

  constructor(entry: RemoteWriteConfig, kernel: Kernel, pool: BufferPool, metrics: Metrics, parentLog: Log) {
    const log = parentLog.child({ remote_name: entry.name });
    this.#log = log;
    this.#rejections = new RecurringLog((fields, message) => log.warn(fields, message), monotonicMs);
    const url = new URL(entry.url);
    const { queue_config: queue, sigv4, tls_config: tls } = entry;
    this.name = entry.name;
    this.workspaceId = /\/workspaces\/([^/]+)\//.exec(url.pathname)?.[1];
    this.deliveryTimeoutMs = queue.delivery_timeout;
    this.#metrics = metrics.addDestination(entry.name, entry.url);
    this.#ledger = new Ledger(this.#metrics);
    this.#breaker = new Breaker(() => this.#refuseWhileDown());
    this.#limit = new ShardLimit(queue.min_shards, queue.max_shards);

    // queue: what may wait is what all shards may hold.
    this.#queue = new ParcelQueue(queue.capacity * queue.max_shards);
    // batch: joins what waits.
    const limits = { maxSamples: queue.max_samples_per_send, maxBytes: queue.max_bytes_per_send };
    this.#batcher = new Batcher(this.#queue, limits, queue.batch_send_deadline);
    // sign: an identity kept fresh, and the upstream's idea of the time.
    const clock = new UpstreamClock(Date.now);
    this.credentials = new Credentials(
      () => makeProvider(sigv4),
      this.#metrics.credentials,
      log,
      Date.now,
      Math.random,
    );
    // send: one connection a shard, so that no batch waits for a connection.
    const options = {
      url,
      connections: queue.max_shards,
      timeoutMs: entry.remote_timeout,
      tls: {
        ca: tls.ca_file === undefined ? undefined : readFileSync(tls.ca_file, 'utf8'),
        servername: tls.server_name,
        insecureSkipVerify: tls.insecure_skip_verify,
      },
    };
    this.#upstream = openUpstream(options, entry.proxy_url);
    this.#sender = new Sender({
      limits,
      backoff: { minMs: queue.min_backoff, maxMs: queue.max_backoff },
      cut: (body, cutLimits, allocate) => splitBody(kernel, body, cutLimits, allocate),
      post: (headers, body) => this.#upstream.post(headers, body),
      signer: new RemoteWriteSigner(url, sigv4.region),
      credentials: this.credentials,
      clock,
      pool,
      metrics: this.#metrics,
      log,
      attempted: (verdict) => this.#learn(verdict),
      probing: () => this.#breaker.isOpen,
      nowMs: monotonicMs,
      random: Math.random,
    });
    this.#shards = new Shards(
      this.#batcher,
      queue.min_shards,
      (batch) => this.#sender.deliver(batch),
      () => this.#beforeTake(),
      monotonicMs,
    );
    const readings = {
      shards: () => this.#limit.shards,
      sendersApart: () => this.#apart.size,
      queuedSamples: () => this.#queue.weight,
      clockSkewMs: () => clock.skewMs,
    };
    metrics.expose(
      this.#metrics,
      {
        minShards: queue.min_shards,
        maxShards: queue.max_shards,
        shardCapacity: queue.capacity,
        maxSamplesPerSend: queue.max_samples_per_send,
      },
      {
        ...readings,
        shardsDesired: () => this.#shards.inFlight + Math.ceil(this.#queue.weight / limits.maxSamples),
        upstreamDown: () => (this.#breaker.isOpen ? 1 : 0),
        queuedKeys: () => this.#queue.keys,
        queueCapacity: () => this.#queue.capacity,
        credentialsValid: () => (this.credentials.tryCurrent() === undefined ? 0 : 1),
      },
    );
    this.status = {
      metrics: this.#metrics,
      credentials: this.credentials,
      problems: this.#problems,
      maxShards: queue.max_shards,
      queueCapacity: this.#queue.capacity,
      ...readings,
      shardsBusy: () => this.#shards.inFlight,
      isDown: () => this.#breaker.isOpen,
    };
  }

  /** The ledger, who is in the house, and what a rejection teaches about its sender. */
  readonly ledger: ParcelLedger = {
    open: (parcel) => {
      this.#ledger.open(parcel);
      this.#company.arrived(parcel.visitor);
    },
    close: (parcel, outcome) => {
      this.#ledger.close(parcel, outcome);
      this.#problems.closed(parcel.sender, outcome);
      const nowMs = monotonicMs();
      this.#metrics.observeDelivery(outcome.kind, nowMs - parcel.arrivedAtMs);
      // A sender that is refused comes again after its Retry-After, or is gone.
      if (outcome.kind !== 'refused') this.#company.answered(parcel.visitor, nowMs);
      if (outcome.kind === 'rejected') this.#rejected(parcel, outcome, nowMs);
    },
  };

  #rejected(parcel: Parcel, { status, message }: Extract<Outcome, { kind: 'rejected' }>, nowMs: number): void {
    const { sender, weight } = parcel;
    this.#rejections.warn(
      // Not by sender: as many lines as there are senders would fill the log.
      String(status),
      { sender, status, samples: weight, answer: message },
      'the upstream rejected a request for good; its sender was told, and drops it',
    );
    if (!parcel.mergeKey.startsWith(ALONE)) this.#apart.hold(sender, parcel.mergeKey, nowMs);
  }

  get pendingParcels(): number {
    return this.#ledger.parcels;
  }

  sweep(untilMs: number): void {
    this.#ledger.sweep(untilMs);
  }

  mergeKeyFor(sender: string, mergeKey: string, nowMs: number): string {
    return this.#apart.keyFor(sender, mergeKey, nowMs);
  }

  submit(parcel: Parcel, nowMs: number): void {
    const refusal = this.#refusalFor(parcel, nowMs);
    if (refusal !== undefined) {
      parcel.trySettle(refusal);
      parcel.releaseBody();
      return;
    }
    if (this.#batcher.tryAdd(parcel, nowMs)) {
      this.#shards.poke();
      return;
    }
    const message =
      `the queue holds ${this.#queue.weight} samples and its capacity is ${this.#queue.capacity} ` +
      `(capacity x max_shards); last from upstream: ${this.#metrics.lastFailure}`;
    parcel.trySettle({ kind: 'refused', reason: 'queue_full', message });
    parcel.releaseBody();
  }

  /** Nothing waits for company any more. */
  drain(): void {
    this.#draining = true;
    this.#shards.poke();
  }

  /** Refuses what is left and ends the connections upstream. */
  async close(): Promise<void> {
    this.#sender.stop();
    this.credentials.stop();
    this.#ledger.refuseAll({ kind: 'refused', reason: 'draining', message: 'the proxy is shutting down' });
    await this.#upstream.destroy();
  }

  #beforeTake(): void {
    this.#shards.limit = this.#limit.shards;
    if (this.#draining || this.#company.expected(monotonicMs()) === 0) this.#batcher.release();
  }

  /** What an attempt tells about the upstream. */
  #learn(verdict: Verdict): void {
    this.#problems.attempted(verdict);
    if (verdict.kind === 'unauthorized' || (verdict.kind === 'retry' && verdict.down)) {
      this.#breaker.failed(monotonicMs());
    } else {
      if (this.#breaker.isOpen) this.#log.info({}, 'the upstream answers again');
      this.#breaker.succeeded();
    }
    if (verdict.kind === 'delivered') this.#metrics.lastFailure = 'the upstream answers';
    const nowMs = monotonicMs();
    if (verdict.kind === 'delivered') this.#limit.delivered(this.#batcher.hasReady(nowMs));
    if (verdict.kind !== 'retry') return;
    if (verdict.throttle !== undefined) this.#limit.throttled(nowMs);
    // Retry-After holds for every batch, for no longer than a sender would wait; probes go on (send/breaker.ts).
    if (verdict.retryAfterMs !== undefined && !this.#breaker.isOpen) {
      this.#shards.rest(nowMs + Math.min(verdict.retryAfterMs, this.deliveryTimeoutMs));
    }
  }

  /** What would only wait in vain is refused at once. */
  #refusalFor(parcel: Parcel, nowMs: number): Extract<Outcome, { kind: 'refused' }> | undefined {
    if (!this.#breaker.mayTake(this.#ledger.parcels - 1)) return this.#down();
    const { restUntilMs } = this.#shards;
    if (restUntilMs <= nowMs || parcel.deadlineAtMs > restUntilMs) return undefined;
    const message = `the upstream asked to be left in peace for now; ${this.#metrics.lastFailure}`;
    return { kind: 'refused', reason: 'throttled', message, retryAfterMs: restUntilMs - nowMs };
  }

  #refuseWhileDown(): void {
    this.#shards.rest(-Infinity);
    const refused = this.#ledger.parcels;
    this.#ledger.refuseAll(this.#down(), PROBES);
    // The probes that are left may be sleeping in a wait of before.
    this.#sender.wake();
    this.#log.error(
      { refused, lastFailure: this.#metrics.lastFailure },
      'the upstream is down; senders are told to wait',
    );
  }

  #down(): Extract<Outcome, { kind: 'refused' }> {
    return { kind: 'refused', reason: 'upstream_down', message: `the upstream is down; ${this.#metrics.lastFailure}` };
  }
}
