/** The query port's counts for one entry, as plain numbers; prom-client reads them when it is scraped. */
import type { Registry } from 'prom-client';
import { collectCounter, collectGauge } from './collected.ts';
import { CountedHistogram, type Labelled } from './counted-histogram.ts';
import { Observations } from './observations.ts';

/** Up to query.timeout. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** Queries that are in flight and that wait, now. */
export interface QueryReadings {
  readonly active: number;
  readonly waiting: number;
}

export class QueryCounts {
  readonly name: string;
  /** By route, then by status. */
  readonly requests: Map<string, Map<string, number>> = new Map();
  /** The bytes of answers, as they were passed on. */
  readonly bytes: Map<string, number> = new Map();
  /** The samples that a query read, as far as AMP tells. */
  samplesProcessed = 0;
  /** Seconds, by route. */
  readonly #durations = new Map<string, Observations>();

  constructor(name: string) {
    this.name = name;
  }

  get durations(): readonly Labelled[] {
    return [...this.#durations].map(([route, { observed }]) => ({
      labels: { remote_name: this.name, route },
      observed,
    }));
  }

  /** A query is over. @param code the status, or `cut` or `gone` */
  count(route: string, code: string, bytes: number, elapsedMs: number): void {
    const byCode = this.requests.get(route) ?? new Map<string, number>();
    this.requests.set(route, byCode);
    byCode.set(code, (byCode.get(code) ?? 0) + 1);
    this.bytes.set(route, (this.bytes.get(route) ?? 0) + bytes);
    const durations = this.#durations.get(route) ?? new Observations(DURATION_BUCKETS);
    this.#durations.set(route, durations);
    durations.observe(elapsedMs / 1000);
  }
}

/** All entries' counts, and their exposition. */
export class QueryMetrics {
  readonly #entries: { readonly counts: QueryCounts; readonly readings: QueryReadings }[] = [];
  readonly #denied = new Map<string, number>();

  constructor(registry: Registry) {
    const durations = {
      name: 'amp_write_proxy_query_duration_seconds',
      help: 'From the head of a query to the last byte of its answer.',
      labelNames: ['remote_name', 'route'],
      buckets: DURATION_BUCKETS,
    };
    registry.registerMetric(
      new CountedHistogram({ ...durations, registers: [] }, () =>
        this.#entries.flatMap(({ counts }) => counts.durations),
      ),
    );
    collectCounter(
      registry,
      'amp_write_proxy_query_requests_total',
      'Queries by status; cut: the answer could not be passed on to its end; gone: the reader did not wait for it.',
      ['remote_name', 'route', 'code'],
      (emit) => {
        for (const { counts } of this.#entries) {
          for (const [route, byCode] of counts.requests) {
            for (const [code, count] of byCode) emit({ remote_name: counts.name, route, code }, count);
          }
        }
      },
    );
    collectCounter(
      registry,
      'amp_write_proxy_query_response_bytes_total',
      'Bytes of answers passed on to readers, as they were transferred.',
      ['remote_name', 'route'],
      (emit) => {
        for (const { counts } of this.#entries) {
          for (const [route, bytes] of counts.bytes) emit({ remote_name: counts.name, route }, bytes);
        }
      },
    );
    collectCounter(
      registry,
      'amp_write_proxy_query_samples_processed_total',
      'Samples that queries processed, of those whose answer tells (stats=all, not compressed).',
      ['remote_name'],
      (emit) => {
        for (const { counts } of this.#entries) emit({ remote_name: counts.name }, counts.samplesProcessed);
      },
    );
    collectCounter(
      registry,
      'amp_write_proxy_query_requests_denied_total',
      'Requests on the query port that led to no query.',
      ['reason'],
      (emit) => {
        for (const reason of DENIALS) emit({ reason }, this.#denied.get(reason) ?? 0);
      },
    );
    const gauge = (name: string, help: string, read: (readings: QueryReadings) => number): void =>
      collectGauge(registry, `amp_write_proxy_${name}`, help, ['remote_name'], (emit) => {
        for (const { counts, readings } of this.#entries) emit({ remote_name: counts.name }, read(readings));
      });
    gauge('queries_in_flight', 'Queries in flight upstream, or whose answer is passed on.', ({ active }) => active);
    gauge('queries_queued', 'Queries that wait their turn.', ({ waiting }) => waiting);
  }

  addEntry(name: string, readings: QueryReadings): QueryCounts {
    const counts = new QueryCounts(name);
    this.#entries.push({ counts, readings });
    return counts;
  }

  countDenied(reason: Denial): void {
    this.#denied.set(reason, (this.#denied.get(reason) ?? 0) + 1);
  }
}

const DENIALS = ['unauthorized', 'too_many_logins', 'unknown_route', 'wrong_method', 'too_many_connections'] as const;
export type Denial = (typeof DENIALS)[number];
