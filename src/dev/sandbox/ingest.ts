/**
 * Cortex's write path in small: HA election, label checks, rate limit, then sample by sample into the store.
 *
 * A bad series or sample is left out and the rest is ingested; the answer is then 400 with the first fault only.
 * Answers, words and order of the checks as in Cortex (pkg/distributor, pkg/ingester, pkg/util/validation) and the
 * Prometheus TSDB head beneath it; AMP's own form is `user=ACCOUNT_WORKSPACE: err: ...` as plain text.
 */
import type { SandboxClock } from './clock.ts';
import { findInvalidLabel, sortLabels } from './label-rules.ts';
import type { AmpRules } from './rules.ts';
import type { SampleStore, StoredSeries } from './store.ts';
import { compareInt64, formatLabels, toBigInt, toBits } from './store.ts';
import type { DecodedSample, DecodedSeries, DecodedWriteRequest, Int64, Label } from './write-request.ts';
import { readHistogramTimestamp } from './write-request.ts';

const CLUSTER_LABEL = 'cluster';
const REPLICA_LABEL = '__replica__';

export const REJECTION_REASONS = [
  'out_of_order',
  'duplicate_timestamp',
  'out_of_bounds',
  'too_far_in_future',
  'invalid_labels',
  'exemplar',
  'series_limit',
] as const;

export type RejectionReason = (typeof REJECTION_REASONS)[number];

export interface IngestResult {
  readonly status: 200 | 202 | 400 | 429;
  /** Empty on 200. */
  readonly message: string;
  /** Samples and histograms stored by this request. */
  readonly accepted: number;
  /** Samples and histograms that repeat a stored one exactly: accepted, and not stored twice. */
  readonly repeated: number;
  /** Samples and histograms of a replica that is not elected. */
  readonly deduplicated: number;
  readonly rejected: Readonly<Partial<Record<RejectionReason, number>>>;
}

interface Tally {
  accepted: number;
  repeated: number;
  rejected: Partial<Record<RejectionReason, number>>;
  firstFault: Fault | undefined;
}

interface Fault {
  readonly reason: RejectionReason;
  readonly message: string;
}

export class Ingester {
  readonly #store: SampleStore;
  readonly #rules: AmpRules;
  readonly #clock: SandboxClock;
  /** AMP's name for the tenant in its messages. */
  readonly #user: string;
  #elected = new Map<string, { replica: string; seenAtMs: number }>();
  /** Timestamps in ms, by series. */
  readonly #newestExemplars = new Map<string, bigint>();
  #tokens = 0;
  #tokensAtMs = Number.NEGATIVE_INFINITY;

  constructor(store: SampleStore, rules: AmpRules, clock: SandboxClock, user: string) {
    this.#store = store;
    this.#rules = rules;
    this.#clock = clock;
    this.#user = user;
  }

  reset(): void {
    this.#elected.clear();
    this.#newestExemplars.clear();
    this.#tokensAtMs = Number.NEGATIVE_INFINITY;
  }

  /** @throws MalformedBodyError when an encoded Histogram inside is not valid. */
  ingest(request: DecodedWriteRequest): IngestResult {
    const size = countSamples(request.timeseries);
    const election = this.#elect(request.timeseries[0]);
    if (election.lostTo !== undefined) {
      const message = `replicas did not mach, rejecting sample: replica=${election.replica}, elected=${election.lostTo}`;
      return { status: 202, message, accepted: 0, repeated: 0, deduplicated: size, rejected: {} };
    }
    if (this.#rules.refuseSeriesWithoutLabels && request.timeseries.some(({ labels }) => labels.length === 0)) {
      return refuse(400, 'no metric name label');
    }
    // Read before anything is stored, so that a malformed one refuses the request whole.
    const histogramTimes = request.timeseries.map(({ histograms }) => histograms.map(readHistogramTimestamp));
    const tally: Tally = { accepted: 0, repeated: 0, rejected: {}, firstFault: undefined };
    const valid: { series: DecodedSeries; times: Int64[]; labels: readonly Label[] }[] = [];
    for (const [index, series] of request.timeseries.entries()) {
      const labels = election.dropReplica ? series.labels.filter(({ name }) => name !== REPLICA_LABEL) : series.labels;
      const fault = this.#findSeriesFault(series, labels);
      if (fault === undefined) valid.push({ series, times: histogramTimes[index] ?? [], labels });
      else reject(tally, fault.reason, countSamples([series]), fault.message);
    }
    const validSamples = countSamples(valid.map(({ series }) => series));
    if (!this.#tryTakeTokens(validSamples + request.metadata.length)) {
      const limit = this.#rules.ingestionRateSamples;
      return refuse(
        429,
        `ingestion rate limit (${limit}) exceeded while adding ${validSamples} samples and ${request.metadata.length} metadata`,
      );
    }
    for (const { series, times, labels } of valid) this.#append(series, times, labels, tally);
    for (const metadata of request.metadata) this.#store.addMetadata(metadata);
    const { accepted, repeated, rejected, firstFault } = tally;
    return {
      status: firstFault === undefined ? 200 : statusOf(firstFault),
      message: firstFault?.message ?? '',
      accepted,
      repeated,
      deduplicated: 0,
      rejected,
    };
  }

  /** Cortex elects by the first series of a request, for all of it (pkg/distributor, findHALabels and checkSample). */
  #elect(first: DecodedSeries | undefined): { replica: string; dropReplica: boolean; lostTo?: string } {
    const cluster = valueOf(first, CLUSTER_LABEL);
    const replica = valueOf(first, REPLICA_LABEL);
    if (!this.#rules.haDeduplication || cluster === '' || replica === '') return { replica, dropReplica: false };
    const nowMs = this.#clock.nowMs();
    const elected = this.#elected.get(cluster);
    const isSilent = elected !== undefined && nowMs - elected.seenAtMs >= this.#rules.haFailoverTimeoutMs;
    if (elected !== undefined && elected.replica !== replica && !isSilent) {
      return { replica, dropReplica: true, lostTo: elected.replica };
    }
    this.#elected.set(cluster, { replica, seenAtMs: nowMs });
    return { replica, dropReplica: true };
  }

  #findSeriesFault(
    series: DecodedSeries,
    labels: readonly Label[],
  ): { reason: RejectionReason; message: string } | undefined {
    const labelFault = this.#rules.validateLabels
      ? findInvalidLabel(labels, this.#rules.refuseUnsortedLabels)
      : undefined;
    if (labelFault !== undefined) return { reason: 'invalid_labels', message: labelFault };
    if (this.#rules.refuseExemplars && series.exemplars.length > 0) {
      return {
        reason: 'exemplar',
        message: `user=${this.#user}: err: exemplars are not supported. series=${formatLabels(labels)}`,
      };
    }
    return undefined;
  }

  /** A token bucket: takes a whole request or nothing, as Cortex's limiter does. */
  #tryTakeTokens(wanted: number): boolean {
    const rate = this.#rules.ingestionRateSamples;
    if (rate === 0) return true;
    const burst = this.#rules.ingestionBurstSamples === 0 ? rate : this.#rules.ingestionBurstSamples;
    const nowMs = this.#clock.nowMs();
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, nowMs - this.#tokensAtMs) / 1000) * rate);
    this.#tokensAtMs = nowMs;
    if (wanted > this.#tokens) return false;
    this.#tokens -= wanted;
    return true;
  }

  #append(decoded: DecodedSeries, histogramTimes: readonly Int64[], labels: readonly Label[], tally: Tally): void {
    const sorted = sortLabels(labels);
    // Prometheus sends the exemplars of a series apart from its samples.
    if (this.#rules.enforceExemplarOrder) this.#appendExemplars(sorted, decoded, tally);
    if (decoded.samples.length === 0 && decoded.histograms.length === 0) return;
    if (this.#isOverSeriesLimit(sorted)) {
      const limit = this.#rules.maxActiveSeries;
      reject(tally, 'series_limit', countSamples([decoded]), `user=${this.#user}: ${seriesLimitText(limit)}`);
      return;
    }
    const series = this.#store.ensureSeries(sorted);
    for (const { timestamp, value } of decoded.samples) {
      const verdict = this.#judge(series, timestamp, value);
      if (verdict === 'accept') this.#store.addSample(series, timestamp, value);
      settle(tally, verdict);
    }
    for (const [index, encoded] of decoded.histograms.entries()) {
      const timestamp = histogramTimes[index] ?? { low: 0, high: 0 };
      const hex = Buffer.from(encoded).toString('hex');
      const verdict = this.#judge(series, timestamp, hex);
      if (verdict === 'accept') this.#store.addHistogram(series, timestamp, hex);
      settle(tally, verdict);
    }
  }

  /**
   * The rule of the TSDB's exemplar storage: the newest again is fine, an older one is not. Only the times are kept
   * here.
   */
  #appendExemplars(labels: readonly Label[], { exemplars }: DecodedSeries, tally: Tally): void {
    if (exemplars.length === 0) return;
    const key = formatLabels(labels);
    for (const { timestamp } of exemplars) {
      const timestampMs = toBigInt(timestamp);
      const newestMs = this.#newestExemplars.get(key);
      if (newestMs === undefined || timestampMs >= newestMs) this.#newestExemplars.set(key, timestampMs);
      else {
        const { message } = this.#fault('exemplar', 'out of order exemplar', timestamp, { labels });
        reject(tally, 'exemplar', 0, message);
      }
    }
  }

  #isOverSeriesLimit(labels: readonly Label[]): boolean {
    const limit = this.#rules.maxActiveSeries;
    return limit > 0 && this.#store.seriesCount >= limit && !this.#store.hasSeries(formatLabels(labels));
  }

  /** The TSDB head's `appendable`: newer is fine, the same again is fine, older only inside the window. */
  #judge(series: StoredSeries, timestamp: Int64, content: DecodedSample['value'] | string): Verdict {
    const ageFault = this.#judgeAge(series, timestamp);
    if (ageFault !== undefined) return ageFault;
    if (!this.#rules.enforceOrder || series.latestTimestamp === undefined) return 'accept';
    const order = compareInt64(timestamp, series.latestTimestamp);
    if (order > 0) return 'accept';
    const stored = order === 0 ? series.latestContent : this.#findOlder(series, timestamp);
    if (stored !== undefined) {
      if (sameContent(stored, content)) return 'repeat';
      if (order === 0 || this.#isInsideWindow(timestamp)) {
        return this.#fault('duplicate_timestamp', 'duplicate sample for timestamp', timestamp, series);
      }
    }
    if (this.#isInsideWindow(timestamp)) return 'accept';
    const text = this.#rules.outOfOrderWindowMs > 0 ? 'too old sample' : 'out of order sample';
    return this.#fault('out_of_order', text, timestamp, series);
  }

  #judgeAge(series: StoredSeries, timestamp: Int64): Verdict | undefined {
    const { maxSampleAgeMs, maxSampleFutureMs } = this.#rules;
    if (maxSampleAgeMs === 0 && maxSampleFutureMs === 0) return undefined;
    const ageMs = BigInt(this.#clock.nowMs()) - toBigInt(timestamp);
    if (maxSampleFutureMs > 0 && -ageMs > BigInt(maxSampleFutureMs)) {
      const metricName = series.labels.find(({ name }) => name === '__name__')?.value ?? '';
      const message = `timestamp too new: ${toBigInt(timestamp)} metric: ${JSON.stringify(metricName)}`;
      return { reason: 'too_far_in_future', message };
    }
    if (maxSampleAgeMs > 0 && ageMs > BigInt(maxSampleAgeMs)) {
      return this.#fault('out_of_bounds', 'out of bounds', timestamp, series);
    }
    return undefined;
  }

  #isInsideWindow(timestamp: Int64): boolean {
    const { outOfOrderWindowMs } = this.#rules;
    const newest = this.#store.newestTimestamp;
    if (outOfOrderWindowMs === 0 || newest === undefined) return false;
    return toBigInt(timestamp) >= toBigInt(newest) - BigInt(outOfOrderWindowMs);
  }

  /** Returns the content stored for an older time, if it was out of order or is being sent again. */
  #findOlder(series: StoredSeries, timestamp: Int64): bigint | string | undefined {
    if (!this.#isInsideWindow(timestamp)) return undefined;
    const wanted = toBigInt(timestamp);
    return (
      this.#store.findSampleAt(series, timestamp) ??
      series.histograms.find(({ timestampMs }) => timestampMs === wanted)?.hex
    );
  }

  #fault(reason: RejectionReason, text: string, timestamp: Int64, { labels }: Pick<StoredSeries, 'labels'>): Fault {
    const at = formatTimestamp(toBigInt(timestamp));
    return { reason, message: `user=${this.#user}: err: ${text}. timestamp=${at}, series=${formatLabels(labels)}` };
  }
}

type Verdict = 'accept' | 'repeat' | Fault;

function statusOf({ reason }: Fault): 400 | 429 {
  return reason === 'series_limit' ? 429 : 400;
}

function settle(tally: Tally, verdict: Verdict): void {
  if (verdict === 'accept') tally.accepted += 1;
  else if (verdict === 'repeat') tally.repeated += 1;
  else reject(tally, verdict.reason, 1, verdict.message);
}

function reject(tally: Tally, reason: RejectionReason, samples: number, message: string): void {
  tally.rejected[reason] = (tally.rejected[reason] ?? 0) + samples;
  tally.firstFault ??= { reason, message };
}

function refuse(status: 400 | 429, message: string): IngestResult {
  return { status, message, accepted: 0, repeated: 0, deduplicated: 0, rejected: {} };
}

/** The text that Cortex's pkg/ingester/limiter.go prints; AMP's quotas page quotes its first half. */
function seriesLimitText(limit: number): string {
  return (
    `per-user series limit of ${limit} exceeded, please contact administrator to raise it ` +
    `(local limit: 0 global limit: ${limit} actual local limit: ${limit})`
  );
}

/** Samples and histograms. */
export function countSamples(timeseries: readonly DecodedSeries[]): number {
  let total = 0;
  for (const { samples, histograms } of timeseries) total += samples.length + histograms.length;
  return total;
}

function valueOf(series: DecodedSeries | undefined, label: string): string {
  return series?.labels.find(({ name }) => name === label)?.value ?? '';
}

function sameContent(stored: bigint | string | Int64, sent: string | Int64): boolean {
  if (typeof stored === 'string' || typeof sent === 'string') return stored === sent;
  return (typeof stored === 'bigint' ? stored : toBits(stored)) === toBits(sent);
}

/** RFC 3339 as Go prints it, without trailing zeros: `2022-06-03T07:56:08.638Z`. */
function formatTimestamp(epochMs: bigint): string {
  const date = new Date(Number(epochMs));
  if (Number.isNaN(date.getTime())) return `${epochMs}ms`;
  return date.toISOString().replace(/\.?0*Z$/u, 'Z');
}
