/**
 * The metrics of a process that takes requests: its answers, its connections and its memory. Those of its destinations
 * are destination-exposition.ts. The stages count into plain numbers; prom-client reads them when it is scraped, so that
 * counting costs the data path an addition.
 */
import { Registry } from 'prom-client';
import { collectCounter, collectGauge } from './collected.ts';
import { DestinationMetrics } from './counts.ts';
import { REFUSED_CONNECTIONS, TURNED_AWAY, UNKNOWN_ROUTE, UNROUTED, type Denial } from './known-labels.ts';
import { exposeProcess } from './process-metrics.ts';

export class Metrics {
  readonly registry: Registry = new Registry();
  /** Requests by route, then by status code. */
  readonly #requests = new Map<string, Map<number, number>>();
  /** Requests that were denied early: answered before they became a parcel, by route, status and reason. */
  readonly #denied = new Map<string, DeniedCount>();
  /** Connections that were closed immediately, by reason. */
  readonly #refusedConnections = new Map<string, number>(REFUSED_CONNECTIONS.map((reason) => [reason, 0]));
  #inflight: { readonly usedBytes: number; readonly limitBytes: number } = { usedBytes: 0, limitBytes: 0 };

  constructor(build: { version: string }) {
    exposeProcess(this.registry, build.version);
    for (const why of UNROUTED) this.#deniedCount(UNKNOWN_ROUTE, why);
    this.#expose();
  }

  addDestination(name: string, url: string): DestinationMetrics {
    for (const why of TURNED_AWAY) this.#deniedCount(name, why);
    return new DestinationMetrics(name, url);
  }

  exposeInflight(budget: { readonly usedBytes: number; readonly limitBytes: number }): void {
    this.#inflight = budget;
  }

  countRequest(route: string, status: number): void {
    let ofRoute = this.#requests.get(route);
    if (ofRoute === undefined) {
      ofRoute = new Map();
      this.#requests.set(route, ofRoute);
    }
    ofRoute.set(status, (ofRoute.get(status) ?? 0) + 1);
  }

  countDenied(route: string, status: number, reason: string): void {
    this.#deniedCount(route, { status, reason }).count += 1;
  }

  countRefusedConnection(reason: string): void {
    this.#refusedConnections.set(reason, (this.#refusedConnections.get(reason) ?? 0) + 1);
  }

  /** There from then on, with 0. */
  #deniedCount(route: string, { status, reason }: Denial): DeniedCount {
    const key = `${route} ${status} ${reason}`;
    const known = this.#denied.get(key) ?? { labels: { route, code: status, reason }, count: 0 };
    this.#denied.set(key, known);
    return known;
  }

  #expose(): void {
    collectCounter(
      this.registry,
      'amp_write_proxy_connections_refused_total',
      'Connections of senders that were closed at once, as there were too many, of all or of their address.',
      ['reason'],
      (emit) => {
        for (const [reason, count] of this.#refusedConnections) emit({ reason }, count);
      },
    );
    collectCounter(this.registry, 'amp_write_proxy_requests_total', 'Requests answered.', ['route', 'code'], (emit) => {
      for (const [route, ofRoute] of this.#requests) {
        for (const [code, count] of ofRoute) emit({ route, code }, count);
      }
    });
    collectCounter(
      this.registry,
      'amp_write_proxy_requests_turned_away_total',
      'Requests answered 4xx or 503 before they were taken in; what is in them is not in the counts of samples.',
      ['route', 'code', 'reason'],
      (emit) => {
        for (const { labels, count } of this.#denied.values()) emit(labels, count);
      },
    );
    collectGauge(
      this.registry,
      'amp_write_proxy_inflight_bytes',
      'Compressed request bytes held for all senders.',
      [],
      (emit) => {
        emit({}, this.#inflight.usedBytes);
      },
    );
    collectGauge(this.registry, 'amp_write_proxy_inflight_limit_bytes', 'limits.max_inflight_bytes.', [], (emit) => {
      emit({}, this.#inflight.limitBytes);
    });
  }
}

interface DeniedCount {
  readonly labels: { readonly route: string; readonly code: number; readonly reason: string };
  count: number;
}
