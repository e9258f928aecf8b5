/** Deliveries of batches on a clock that a test moves: the attempts bring what the test says. */
import type { BatchLimits } from '../../src/send/batch-limits.ts';
import type { Lane } from '../../src/send/lane.ts';
import { BodyCutter } from '../../src/batch/split.ts';
import { BufferPool } from '../../src/memory/buffer-pool.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import { KernelTurns } from '../../src/codec/kernel-turns.ts';
import { CredentialsMetrics } from '../../src/metrics/counts.ts';
import type { Throttle, Verdict } from '../../src/outcome/outcome.ts';
import { ParcelQueue } from '../../src/batch/parcel-queue.ts';
import type { Parcel } from '../../src/parcel/parcel.ts';
import { BatchDelivery, type DeliveryDeps } from '../../src/send/batch-delivery.ts';
import type { Payload } from '../../src/send/payload.ts';
import { RetryQueue } from '../../src/send/retry-queue.ts';
import { UpstreamHealth } from '../../src/send/upstream-health.ts';
import { UpstreamClock } from '../../src/aws/clock.ts';
import { credentialsSource } from '../../src/aws/credentials-source.ts';
import { Credentials } from '../../src/aws/credentials.ts';
import { makeDestinationMetrics, namesIn } from './parcels.ts';

const kernel = new Kernel({ maxBodyBytes: 1 << 20, maxDecodedBytes: 1 << 24 });
const QUIET = { info: () => {}, warn: () => {}, error: () => {} };

export type RetryVerdict = Extract<Verdict, { kind: 'retry' }>;

export const TAKEN: Verdict = { kind: 'delivered', deduplicated: false };
export const BAD_DATA: Verdict = { kind: 'rejected', status: 400, reason: 'other', message: 'bad' };

const RETRY: RetryVerdict = {
  kind: 'retry',
  code: '500',
  throttle: undefined,
  down: true,
  mayLieInData: true,
  retryAfterMs: undefined,
  message: 'failed',
};

export function failed(retryAfterMs?: number): RetryVerdict {
  return { ...RETRY, retryAfterMs };
}

export const TIMED_OUT: RetryVerdict = { ...RETRY, code: 'timeout' };
/** No data can cause it. */
export const UNREACHABLE: RetryVerdict = { ...RETRY, code: 'connect_refused', mayLieInData: false };

/** 429. */
export function throttled(throttle: Throttle, retryAfterMs?: number): RetryVerdict {
  return { ...RETRY, code: '429', throttle, down: false, mayLieInData: throttle === 'unknown', retryAfterMs };
}

export interface SceneOptions {
  readonly limits?: BatchLimits;
  readonly minShards?: number;
  readonly credentials?: Credentials;
}

export class DeliveryScene {
  nowMs = 1000;
  /** Decides what an attempt brings, by the names in its bodies. */
  answer: (names: string[]) => Verdict | Promise<Verdict> = () => TAKEN;
  /** The names in each attempt. */
  readonly sent: string[][] = [];
  readonly queue: ParcelQueue = new ParcelQueue(1_000_000);
  readonly retryQueue: RetryQueue = new RetryQueue(this.queue);
  readonly metrics: ReturnType<typeof makeDestinationMetrics> = makeDestinationMetrics();
  readonly health: UpstreamHealth;
  readonly deps: DeliveryDeps;
  heldBytes = 0;
  wentDown = 0;

  constructor({ limits = { maxSamples: 1000, maxBytes: 100_000 }, minShards = 1, credentials }: SceneOptions = {}) {
    const backoff = { minMs: 30, maxMs: 5000 };
    const nowMs = (): number => this.nowMs;
    this.health = new UpstreamHealth(
      { minShards, maxShards: 8, maxSamples: limits.maxSamples, backoff, deliveryTimeoutMs: 25_000 },
      { log: QUIET, wentDown: () => (this.wentDown += 1), hasWork: () => true, nowMs, random },
    );
    this.deps = {
      limits: () => limits,
      backoff,
      cut: (parcel) => new BodyCutter(kernel, parcel.body),
      turns: new KernelTurns(kernel, nowMs),
      send: async (payloads: readonly Payload[]) => {
        const names = payloads.flatMap(({ body }) => namesIn(body));
        this.sent.push(names);
        return { verdict: await this.answer(names), date: undefined };
      },
      credentials:
        credentials ??
        new Credentials(noIdentity, credentialsSource({}, {}), new CredentialsMetrics(), QUIET, nowMs, random),
      clock: new UpstreamClock(nowMs),
      pool: new BufferPool(1 << 20),
      memory: { hold: (bytes) => (this.heldBytes += bytes) },
      health: this.health,
      learn: (delivery, verdict) => this.health.learn(delivery, verdict),
      metrics: this.metrics,
      log: { failed: () => {}, unauthorized: () => {}, clockCorrected: () => {}, internal: rethrow },
      reschedule: (delivery) => this.retryQueue.reschedule(delivery),
      nowMs,
      random,
    };
  }

  delivery(parcels: readonly Parcel[], lane: Lane = 'shared'): BatchDelivery {
    return new BatchDelivery(this.deps, parcels, lane);
  }

  /** AMP takes a request of somebody else, a millisecond later. */
  someoneElseDelivers(other: Parcel): void {
    this.nowMs += 1;
    this.health.learn(this.delivery([other]), TAKEN);
    this.nowMs += 1;
  }
}

const random = (): number => 0;

const noIdentity = () => async (): Promise<never> => Promise.reject(new Error('none'));

function rethrow(error: unknown): never {
  throw error;
}

/** The names of the parcels of each delivery, with its lane. */
export function shapeOf(deliveries: readonly BatchDelivery[]): [lane: Lane, names: string[]][] {
  return deliveries.map(({ lane, parcels }) => [lane, parcels.flatMap(({ body }) => namesIn(body))]);
}
