/**
 * Assembles the stages behind one remote_write entry, top to bottom: queue -> batch -> send -> outcome. This half of
 * the assembly exists once per entry; pipeline.ts has the other half.
 */
import { Batcher } from '../batch/batcher.ts';
import { ExpectedArrivals } from '../batch/expected-arrivals.ts';
import { BodyCutter } from '../batch/split.ts';
import type { BufferPool } from '../memory/buffer-pool.ts';
import type { KernelTurns } from '../codec/kernel-turns.ts';
import type { RemoteWriteConfig } from '../config/schema.ts';
import type { Log } from '../platform/log.ts';
import type { DestinationMetrics } from '../metrics/counts.ts';
import { takeSnapshot, type DestinationSnapshot, type ShownStages } from '../metrics/destination-snapshot.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { monotonicMs } from '../platform/clock.ts';
import { DRAINING, type Outcome, type Verdict } from '../outcome/outcome.ts';
import type { ConnectionActivity } from '../parcel/connection-activity.ts';
import { Ledger } from '../queue/ledger.ts';
import { Intake } from '../queue/intake.ts';
import { ParcelQueue } from '../batch/parcel-queue.ts';
import type { Parcel, ParcelContents } from '../parcel/parcel.ts';
import type { RoutedDestination } from '../receive/server.ts';
import { Deliveries } from '../batch/deliveries.ts';
import type { BatchDelivery } from '../send/batch-delivery.ts';
import { makeDeliveryLog } from '../send/delivery-log.ts';
import { openUpstream, upstreamProxy } from '../send/upstream/open-upstream.ts';
import type { HeldMemory } from '../send/payload.ts';
import { RetryQueue } from '../send/retry-queue.ts';
import { Shards } from '../send/shards.ts';
import { SignedPost } from '../send/signed-post.ts';
import { extraShards, UpstreamHealth } from '../send/upstream-health.ts';
import { WatchedUpstreamTls } from '../send/upstream/upstream-tls.ts';
import type { Upstream } from '../send/upstream/upstream.ts';
import { UpstreamClock } from '../aws/clock.ts';
import { Credentials } from '../aws/credentials.ts';
import { credentialsSource } from '../aws/credentials-source.ts';
import { makeProvider } from '../aws/provider.ts';
import { RemoteWriteSigner } from '../aws/sigv4.ts';
import { Problems } from '../admin/status-page/problems.ts';

/** Beside the shards of the shared lane, one request of each other lane may always be in flight. */
const EXTRA_CONNECTIONS = 2;

/** Queue to outcome for one remote_write entry. */
export class DestinationPipeline implements RoutedDestination {
  readonly name: string;
  readonly workspaceId: string | undefined;
  readonly deliveryTimeoutMs: number;
  readonly #ledger: Ledger;
  readonly credentials: Credentials;
  /** The upstream's idea of the time, for whoever signs. */
  readonly clock: UpstreamClock = new UpstreamClock(Date.now);
  readonly #problems = new Problems(Date.now);
  readonly #expected = new ExpectedArrivals();
  readonly #intake: Intake;
  readonly #health: UpstreamHealth;
  readonly #metrics: DestinationMetrics;
  readonly #queue: ParcelQueue;
  readonly #retryQueue: RetryQueue;
  readonly #batcher: Batcher;
  readonly #shards: Shards<BatchDelivery>;
  readonly tls: WatchedUpstreamTls;
  readonly #upstream: Upstream;
  readonly #maxBytes: number;
  readonly #shown: ShownStages;
  #draining = false;

  constructor(
    entry: RemoteWriteConfig,
    turns: KernelTurns,
    pool: BufferPool,
    metrics: Metrics,
    memory: HeldMemory,
    parentLog: Log,
  ) {
    const log = parentLog.child({ remote_name: entry.name });
    const url = new URL(entry.url);
    const { queue_config: queue, sigv4 } = entry;
    this.tls = new WatchedUpstreamTls(entry.tls_config, log);
    this.name = entry.name;
    this.workspaceId = /\/workspaces\/([^/]+)\//.exec(url.pathname)?.[1];
    this.deliveryTimeoutMs = queue.delivery_timeout;
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
        wentDown: () => this.#intake.refuseWhileDown(),
        hasWork: () => this.#batcher.hasReady(monotonicMs()),
        nowMs: monotonicMs,
        random: Math.random,
      },
    );

    // queue: as many samples may wait as all shards may hold, including those between two attempts.
    this.#queue = new ParcelQueue(queue.capacity * queue.max_shards);
    this.#retryQueue = new RetryQueue(this.#queue);
    // batch: joins waiting parcels.
    this.#maxBytes = queue.max_bytes_per_send;
    const limits = { maxSamples: queue.max_samples_per_send, maxBytes: queue.max_bytes_per_send };
    this.#batcher = new Batcher(this.#queue, limits, queue.batch_send_deadline);
    // sign: an identity that is kept fresh, and the upstream's clock.
    const { clock } = this;
    this.credentials = new Credentials(
      () => makeProvider(sigv4, { proxy: entry.proxy, ca: this.tls.ca }, process.env),
      credentialsSource(sigv4, process.env),
      this.#metrics.credentials,
      log,
      Date.now,
      Math.random,
    );
    // send: one connection per shard, so that no batch waits for one.
    const options = {
      url,
      connections: queue.max_shards + EXTRA_CONNECTIONS,
      timeoutMs: entry.remote_timeout,
      tls: this.tls,
    };
    this.#upstream = openUpstream(options, upstreamProxy(entry));
    const signedPost = new SignedPost({
      post: (headers, body) => this.#upstream.post(headers, body),
      signer: new RemoteWriteSigner(url, sigv4.region, sigv4.service_name),
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
      cut: (parcel) => new BodyCutter(turns.steppedKernel, parcel.body, parcel),
      turns,
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
    this.#intake = new Intake({
      deliveryTimeoutMs: this.deliveryTimeoutMs,
      outOfOrderWindowMs: queue.out_of_order_window,
      ledger: this.#ledger,
      waiting: this.#queue,
      retrying: this.#retryQueue,
      batcher: this.#batcher,
      expected: this.#expected,
      health: this.#health,
      metrics: this.#metrics,
      settled: (sender, outcome) => this.#problems.closed(sender, outcome),
      poke: () => this.#shards.poke(),
      log,
      nowMs: monotonicMs,
      upstreamMs: () => Date.now() + clock.skewMs,
    });
    this.#shown = {
      settings: {
        minShards: queue.min_shards,
        maxShards: queue.max_shards,
        shardCapacity: queue.capacity,
        maxSamplesPerSend: queue.max_samples_per_send,
      },
      queue: this.#queue,
      retryQueue: this.#retryQueue,
      shards: this.#shards,
      health: this.#health,
      clock,
      credentials: this.credentials,
      problems: this.#problems,
    };
  }

  /** All that is shown of it, now. */
  snapshot(): DestinationSnapshot {
    return takeSnapshot(this.#metrics, this.#shown);
  }

  get pendingParcels(): number {
    return this.#ledger.parcels;
  }

  /** Answers every sender whose `delivery_timeout` ends before `untilMs` (monotonic clock). */
  sweep(untilMs: number): void {
    this.#ledger.sweep(untilMs, this.#health.lastFailure);
  }

  /** Does the same as Intake.accept. */
  accept(
    contents: ParcelContents,
    connection: ConnectionActivity,
    arrivedAtMs: number,
    onSettled: (outcome: Outcome) => void,
  ): Parcel {
    return this.#intake.accept(contents, connection, arrivedAtMs, onSettled);
  }

  /** From now on nothing waits for other requests. */
  drain(): void {
    this.#draining = true;
    this.#shards.poke();
  }

  /** Refuses the remaining parcels and closes the connections upstream. */
  async stop(): Promise<void> {
    this.credentials.stop();
    this.tls.stop();
    this.#ledger.refuseAll(DRAINING);
    await this.#upstream.destroy();
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
}
