/** Counts the requests and decisions of the sandbox, and keeps a bounded log of its latest requests. */
import type { IngestResult, RejectionReason } from './ingest.ts';
import { REJECTION_REASONS } from './ingest.ts';
import type { SignatureFault } from './verify-signature.ts';

/** How many requests the log keeps; older ones fall out, the counts stay. */
const LOG_LIMIT = 1000;
/** Headers whose values must not be logged. */
const SECRET_HEADERS = new Set(['authorization', 'x-amz-security-token']);

export interface RequestFacts {
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
  readonly metadata: number;
  /** The series in the order of the body, labels as sent. */
  readonly seriesKeys: readonly string[];
}

export interface RequestLogEntry extends RequestFacts {
  /** ISO 8601, by the sandbox's clock. */
  readonly time: string;
  readonly path: string;
  /** The status that was sent; null if the connection was reset or left hanging. */
  readonly status: number | null;
  readonly fault: string | null;
  /** Bytes of the body as sent. */
  readonly bytes: number;
  /** The headers as sent; the values of Authorization and X-Amz-Security-Token are replaced. */
  readonly headers: Readonly<Record<string, string>>;
}

/** All counts are since the start or the last reset. */
export interface LedgerStats {
  requests: number;
  /** By status that went out; `none` is a reset or a hang. */
  requestsByStatus: Record<string, number>;
  /** Requests that a fault acted on, by its kind. */
  faultsByKind: Record<string, number>;
  signatureFailures: Record<SignatureFault, number>;
  /** Body bytes of all write requests as sent. */
  bytesReceived: number;
  /** Counts the bodies that were decoded, whatever their outcome. */
  received: { series: number; samples: number; histograms: number; exemplars: number; metadata: number };
  /** Samples and histograms. */
  accepted: number;
  repeated: number;
  deduplicated: number;
  rejected: Record<RejectionReason, number>;
  /** Samples and histograms of requests that the rate limit refused. */
  throttled: number;
  /** STS and container credential calls by `Action:outcome`. */
  stsCalls: Record<string, number>;
}

const NOTHING: RequestFacts = { samples: 0, histograms: 0, exemplars: 0, metadata: 0, seriesKeys: [] };

export class Ledger {
  #stats = emptyStats();
  #log: RequestLogEntry[] = [];

  stats(): LedgerStats {
    return structuredClone(this.#stats);
  }

  requests(): readonly RequestLogEntry[] {
    return this.#log;
  }

  reset(): void {
    this.#stats = emptyStats();
    this.#log = [];
  }

  noteSignatureFailure(fault: SignatureFault): void {
    this.#stats.signatureFailures[fault] += 1;
  }

  noteReceived(facts: RequestFacts): void {
    const { received } = this.#stats;
    received.series += facts.seriesKeys.length;
    received.samples += facts.samples;
    received.histograms += facts.histograms;
    received.exemplars += facts.exemplars;
    received.metadata += facts.metadata;
  }

  noteIngested(result: IngestResult, facts: RequestFacts): void {
    this.#stats.accepted += result.accepted;
    this.#stats.repeated += result.repeated;
    this.#stats.deduplicated += result.deduplicated;
    if (result.status === 429) this.#stats.throttled += facts.samples + facts.histograms;
    for (const reason of REJECTION_REASONS) this.#stats.rejected[reason] += result.rejected[reason] ?? 0;
  }

  noteStsCall(action: string, outcome: string): void {
    increment(this.#stats.stsCalls, `${action}:${outcome}`);
  }

  noteWriteRequest(
    entry: Omit<RequestLogEntry, keyof RequestFacts | 'headers'> & { headers: Readonly<Record<string, string>> },
    facts: RequestFacts = NOTHING,
  ): void {
    this.#stats.requests += 1;
    this.#stats.bytesReceived += entry.bytes;
    increment(this.#stats.requestsByStatus, String(entry.status ?? 'none'));
    if (entry.fault !== null) increment(this.#stats.faultsByKind, entry.fault);
    this.#log.push({ ...entry, headers: withoutSecrets(entry.headers), ...facts });
    if (this.#log.length > LOG_LIMIT) this.#log.shift();
  }
}

function emptyStats(): LedgerStats {
  return {
    requests: 0,
    requestsByStatus: {},
    faultsByKind: {},
    signatureFailures: {
      missing: 0,
      incomplete: 0,
      scope: 0,
      clock_skew: 0,
      unknown_key: 0,
      expired_token: 0,
      payload_hash: 0,
      mismatch: 0,
    },
    bytesReceived: 0,
    received: { series: 0, samples: 0, histograms: 0, exemplars: 0, metadata: 0 },
    accepted: 0,
    repeated: 0,
    deduplicated: 0,
    rejected: {
      out_of_order: 0,
      duplicate_timestamp: 0,
      out_of_bounds: 0,
      too_far_in_future: 0,
      invalid_labels: 0,
      exemplar: 0,
      series_limit: 0,
    },
    throttled: 0,
    stsCalls: {},
  };
}

function increment(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function withoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) shown[name] = SECRET_HEADERS.has(name) ? '<not kept>' : value;
  return shown;
}
