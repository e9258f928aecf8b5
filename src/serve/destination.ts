/**
 * The stages behind one remote_write entry: queue -> batch -> send -> outcome, built top to bottom in that order.
 */
import { readFileSync } from 'node:fs';
import { Batcher } from '../batch/batcher.ts';
import { ExpectedArrivals } from '../batch/expected-arrivals.ts';
import { BodyCutter } from '../batch/split.ts';
import type { BufferPool } from '../memory/buffer-pool.ts';
import type { Kernel } from '../codec/kernel.ts';
import type { RemoteWriteConfig } from '../config/schema.ts';
import type { Log } from '../platform/log.ts';
import type { DestinationMetrics } from '../metrics/counts.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { monotonicMs } from '../platform/clock.ts';
import { explain } from '../outcome/explain.ts';
import type { Outcome, Verdict } from '../outcome/outcome.ts';
import type { ConnectionActivity } from '../parcel/connection-activity.ts';
import { Ledger } from '../queue/ledger.ts';
import { sharedKey, uniqueKey, type MergeKey } from '../parcel/merge-key.ts';
import { ParcelQueue } from '../batch/parcel-queue.ts';
import { Parcel, type ParcelContents, type ParcelLedger } from '../parcel/parcel.ts';
import { RecurringLog } from '../platform/recurring-log.ts';
import type { RoutedDestination } from '../receive/server.ts';
import { Deliveries } from '../batch/deliveries.ts';
import type { BatchDelivery, DeliveryLog } from '../send/batch-delivery.ts';
import { openUpstream } from '../send/upstream/open-upstream.ts';
import type { HeldMemory } from '../send/payload.ts';
import { RetryQueue } from '../send/retry-queue.ts';
import { Shards } from '../send/shards.ts';
import { SignedPost } from '../send/signed-post.ts';
import { downOutcome, extraShards, UpstreamHealth } from '../send/upstream-health.ts';
import type { Upstream } from '../send/upstream/upstream.ts';
import { UpstreamClock } from '../aws/clock.ts';
import { Credentials } from '../aws/credentials.ts';
import { makeProvider } from '../aws/provider.ts';
import { RemoteWriteSigner } from '../aws/sigv4.ts';
import { Problems } from '../admin/status-page/problems.ts';
import type { DestinationSource } from '../admin/status-page/source.ts';

/** Beside the shards of healthy requests, one of each other lane may always be in flight. */
const EXTRA_CONNECTIONS = 2;

/** Queue to outcome for one remote_write entry. */
export class DestinationRooms implements RoutedDestination, ParcelLedger {
  readonly name: string;
  readonly workspaceId: string | undefined;
  readonly deliveryTimeoutMs: number;
  readonly #ledger: Ledger;
  readonly credentials: Credentials;
  /** What the status page reads. */
  readonly status: DestinationSource;
  readonly #problems = new Problems(Date.now);
  readonly #expected = new ExpectedArrivals();
  readonly #log: Log;
  readonly #rejections: RecurringLog;
  readonly #outOfOrderWindowMs: number;
  readonly #clock: UpstreamClock;
  readonly #health: UpstreamHealth;
  readonly #metrics: DestinationMetrics;
  readonly #queue: ParcelQueue;
  readonly #retryQueue: RetryQueue;
  readonly #batcher: Batcher;
  readonly #shards: Shards<BatchDelivery>;
  readonly #upstream: Upstream;
  readonly #maxBytes: number;
  #draining = false;

  constructor(
    entry: RemoteWriteConfig,
    kernel: Kernel,
    pool: BufferPool,
    metrics: Metrics,
    memory: HeldMemory,
    parentLog: Log,
  ) {
    const log = parentLog.child({ remote_name: entry.name });
    this.#log = log;
    this.#rejections = new RecurringLog((fields, message) => log.warn(fields, message), monotonicMs);
    const url = new URL(entry.url);
    const { queue_config: queue, sigv4, tls_config: tls } = entry;
    this.name = entry.name;
    this.workspaceId = /\/workspaces\/([^/]+)\//.exec(url.pathname)?.[1];
    this.deliveryTimeoutMs = queue.delivery_timeout;
    this.#outOfOrderWindowMs = queue.out_of_order_window;
    this.#metrics = metrics.addDestination(entry.name, entry.url);
    this.#ledger = new Ledger(this.#metrics);
    const backoff = { minMs: queue.min_backoff, maxMs: queue.max_backoff };
    this.#health = new UpstreamHealth(
      {
        minShards: queue.min_shards,
        maxShards: queue.max_shards,
        maxSamples: queue.max_samples_per_send,
        backoff,
        deliveryTimeoutMs: this.deliveryTimeoutMs,
      },
      {
        log,
        wentDown: () => this.#refuseWhileDown(),
        hasWork: () => this.#batcher.hasReady(monotonicMs()),
        nowMs: monotonicMs,
        random: Math.random,
      },
    );

    // queue: the samples that may wait are as many as all shards may hold, those between two attempts included.
    this.#queue = new ParcelQueue(queue.capacity * queue.max_shards);
    this.#retryQueue = new RetryQueue(this.#queue);
    // batch: joins what waits.
    this.#maxBytes = queue.max_bytes_per_send;
    const limits = { maxSamples: queue.max_samples_per_send, maxBytes: queue.max_bytes_per_send };
    this.#batcher = new Batcher(this.#queue, limits, queue.batch_send_deadline);
    // sign: an identity kept fresh, and the upstream's idea of the time.
    const clock = new UpstreamClock(Date.now);
    this.#clock = clock;
    this.credentials = new Credentials(
      () => makeProvider(sigv4),
      this.#metrics.credentials,
      log,
      Date.now,
      Math.random,
    );
    // send: a connection for each shard, so that no batch waits for one.
    const options = {
      url,
      connections: queue.max_shards + EXTRA_CONNECTIONS,
      timeoutMs: entry.remote_timeout,
      tls: {
        ca: tls.ca_file === undefined ? undefined : readFileSync(tls.ca_file, 'utf8'),
        servername: tls.server_name,
        insecureSkipVerify: tls.insecure_skip_verify,
      },
    };
    this.#upstream = openUpstream(options, entry.proxy_url);
    const signedPost = new SignedPost({
      post: (headers, body) => this.#upstream.post(headers, body),
      signer: new RemoteWriteSigner(url, sigv4.region),
      credentials: this.credentials,
      clock,
      pool,
      memory,
      metrics: this.#metrics,
      nowMs: monotonicMs,
    });
    const deliveries = new Deliveries(this.#batcher, this.#retryQueue, {
      limits: () => this.#batcher.limits,
      backoff,
      cut: (parcel) => new BodyCutter(kernel, parcel.body, parcel),
      send: (payloads) => signedPost.send(payloads),
      credentials: this.credentials,
      clock,
      pool,
      memory,
      health: this.#health,
      metrics: this.#metrics,
      log: makeDeliveryLog(log),
      learn: (delivery, verdict) => this.#learn(delivery, verdict),
      reschedule: (delivery) => {
        this.#retryQueue.reschedule(delivery);
        this.#shards.poke();
      },
      nowMs: monotonicMs,
      random: Math.random,
    });
    this.#shards = new Shards(
      deliveries,
      {
        shared: queue.min_shards,
        suspect: extraShards('suspect', queue.max_shards),
        isolated: extraShards('isolated', queue.max_shards),
        total: queue.max_shards,
      },
      this.#health.rest,
      () => this.#beforeTake(),
      monotonicMs,
    );
    const readings = {
      shards: () => this.#health.shards,
      sendersIsolated: () => this.#health.isolated.size,
      queuedSamples: () => this.#queue.weight,
      retryBatches: () => this.#retryQueue.batches,
      retrySamples: () => this.#retryQueue.samples,
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
        upstreamDown: () => (this.#health.isDown ? 1 : 0),
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
      isDown: () => this.#health.isDown,
    };
  }

  get pendingParcels(): number {
    return this.#ledger.parcels;
  }

  /** Answers every sender whose `delivery_timeout` ends before `untilMs` (monotonic clock). */
  sweep(untilMs: number): void {
    this.#ledger.sweep(untilMs, this.#health.lastFailure);
  }

  /**
   * Takes a request from its sender, body and all, until its outcome is told to `onSettled`, once: before this returns
   * when there is no place for it. Who calls may settle it first, when the sender has gone.
   *
   * @param arrivedAtMs when its head was read, ms of the monotonic clock
   */
  accept(
    contents: ParcelContents,
    connection: ConnectionActivity,
    arrivedAtMs: number,
    onSettled: (outcome: Outcome) => void,
  ): Parcel {
    const nowMs = monotonicMs();
    const mergeKey = this.#mergeKeyFor(contents, connection, nowMs);
    const times = { arrivedAtMs, deadlineAtMs: arrivedAtMs + this.deliveryTimeoutMs, queuedAtMs: nowMs };
    const parcel = new Parcel(contents, times, mergeKey, connection, this);
    parcel.onSettled = onSettled;
    this.#ledger.open(parcel);
    let refusal: Extract<Outcome, { kind: 'refused' }> | undefined = INTERNAL;
    try {
      this.#expected.arrived(connection);
      this.#health.arrived(parcel, nowMs);
      refusal = this.#refusalFor(parcel, nowMs) ?? this.#enqueue(parcel, nowMs);
    } catch (error) {
      this.#log.error(
        { error: faultOf(error) },
        'internal error while queueing a request; its sender is told to send again',
      );
    }
    if (refusal !== undefined) {
      parcel.trySettle(refusal);
      parcel.releaseBody();
    }
    return parcel;
  }

  /** Called by the parcel, once. */
  close(parcel: Parcel, outcome: Outcome): void {
    this.#ledger.close(parcel, outcome);
    this.#health.probes.settled(parcel);
    this.#problems.closed(parcel.sender, outcome);
    const { connection } = parcel;
    const nowMs = monotonicMs();
    this.#metrics.observeDelivery(outcome.kind, nowMs - parcel.arrivedAtMs);
    if (outcome.kind === 'delivered') connection.deliveredAtMs = nowMs;
    // A sender that is refused comes again after its Retry-After, or is gone.
    if (outcome.kind !== 'refused') this.#expected.answered(connection, nowMs);
    if (outcome.kind === 'rejected') this.#rejected(parcel, outcome);
  }

  /** Nothing waits for other requests any more. */
  drain(): void {
    this.#draining = true;
    this.#shards.poke();
  }

  /** Refuses what is left and ends the connections upstream. */
  async stop(): Promise<void> {
    this.credentials.stop();
    this.#ledger.refuseAll({ kind: 'refused', reason: 'draining', message: 'the proxy is shutting down' });
    await this.#upstream.destroy();
  }

  #rejected(parcel: Parcel, { status, reason, message }: Extract<Outcome, { kind: 'rejected' }>): void {
    const { sender, weight, mergeKey } = parcel;
    const remedy = reason === 'series_limit' ? { remedy: explain(reason).remedy } : {};
    this.#rejections.warn(
      // Not by sender: as many lines as there are senders would fill the log.
      `${status} ${reason}`,
      { sender, status, reason, samples: weight, answer: message, ...remedy },
      'the upstream rejected a request for good; its sender was told, and drops it',
    );
    // Requests that share no batch harm nobody.
    if (mergeKey.kind !== 'unmergeable') this.#health.isolate(parcel);
  }

  #mergeKeyFor(contents: ParcelContents, connection: ConnectionActivity, nowMs: number): MergeKey {
    const isolation = this.#health.isolated.isolationOf(connection, contents.dedupKey, nowMs);
    if (isolation !== undefined) {
      connection.sender.isolatedAtMs = nowMs;
      return uniqueKey(isolation);
    }
    const isMergeable =
      !this.#health.isDown && isRepeatable(contents, Date.now() + this.#clock.skewMs - this.#outOfOrderWindowMs);
    return isMergeable ? sharedKey(contents.dedupKey) : uniqueKey('unmergeable');
  }

  /** A refusal when there is no place for it. */
  #enqueue(parcel: Parcel, nowMs: number): Extract<Outcome, { kind: 'refused' }> | undefined {
    if (this.#batcher.tryAdd(parcel, nowMs)) {
      this.#shards.poke();
      return undefined;
    }
    const message =
      `the queue holds ${this.#queue.weight} samples and its capacity is ${this.#queue.capacity} ` +
      `(capacity x max_shards); last from upstream: ${this.#health.lastFailure}`;
    return { kind: 'refused', reason: 'queue_full', message };
  }

  #beforeTake(): void {
    this.#shards.limits.shared = this.#health.shards;
    const { maxSamples } = this.#health;
    if (maxSamples !== this.#batcher.limits.maxSamples) this.#batcher.limits = { maxSamples, maxBytes: this.#maxBytes };
    if (this.#draining || this.#expected.expected(monotonicMs()) === 0) this.#batcher.release();
  }

  #learn(delivery: BatchDelivery, verdict: Verdict): void {
    const wasDown = this.#health.isDown;
    this.#health.learn(delivery, verdict);
    const [first] = delivery.parcels;
    this.#problems.attempted(verdict, delivery.lane === 'isolated' ? (first?.sender ?? '') : undefined);
    if (wasDown !== this.#health.isDown) this.#shards.poke();
  }

  /** What would only wait in vain is refused at once. */
  #refusalFor(parcel: Parcel, nowMs: number): Extract<Outcome, { kind: 'refused' }> | undefined {
    if (!this.#health.isDown) return undefined;
    const { admitted, displaced } = this.#health.probes.tryAdmit(parcel, nowMs);
    displaced?.trySettle(downOutcome(this.#health));
    return admitted ? undefined : downOutcome(this.#health);
  }

  /** Those that were tried already go on as probes; all others are refused. */
  #refuseWhileDown(): void {
    const { probes, lastFailure } = this.#health;
    const pending = this.#ledger.pending();
    this.#health.beginProbing(pending.filter(({ waitingIn }) => waitingIn !== this.#queue));
    const refused = pending.filter((parcel) => !probes.has(parcel));
    for (const parcel of refused) parcel.trySettle(downOutcome(this.#health));
    // They may be waiting for much longer than a probe does.
    this.#retryQueue.wake(monotonicMs());
    this.#shards.poke();
    const message = 'the upstream is down; senders are told to wait';
    this.#log.error({ refused: refused.length, lastFailure }, message);
  }
}

const INTERNAL = { kind: 'refused', reason: 'internal', message: 'internal error of the proxy; see its log' } as const;

function faultOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** False for a request that AMP may take once but reject when it is sent again: it holds exemplars, or old samples. */
function isRepeatable({ exemplars, minTimestampMs, unknownFields }: ParcelContents, sinceMs: number): boolean {
  // Without samples there is no lowest timestamp: metadata may be repeated.
  return exemplars === 0 && unknownFields === 0 && !(minTimestampMs < sinceMs);
}

/** The log of batches under way; each kind of line at most once in ten seconds. */
function makeDeliveryLog(log: Log): DeliveryLog {
  const warnings = new RecurringLog((fields, message) => log.warn(fields, message), monotonicMs);
  const errors = new RecurringLog((fields, message) => log.error(fields, message), monotonicMs);
  return {
    failed: (code, fields, message) => warnings.warn(code, fields, message),
    unauthorized: (code, fields, message) => errors.warn(code, fields, message),
    clockCorrected: (fields) => log.warn(fields, 'the clock was corrected by the upstream'),
    internal: (error) => {
      log.error({ error: faultOf(error) }, 'internal error while sending a batch; its senders are told to send again');
    },
  };
}
