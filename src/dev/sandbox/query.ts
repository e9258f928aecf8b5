/**
 * A little of the query API, enough to see with curl that data arrived: an instant query of a bare selector, series,
 * labels and label values. PromQL and range queries are left out.
 */
import { parseSelector } from './selector.ts';
import type { SampleStore, SeriesSnapshot, StoredSample } from './store.ts';

const LOOKBACK_MS = 5n * 60_000n;
const STALE_MARKER = 0x7ff0000000000002n;

export interface QueryAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** `operation` is the path after /api/v1/. @returns undefined for one that is not built. */
export function answerQuery(
  operation: string,
  parameters: URLSearchParams,
  store: SampleStore,
  nowMs: number,
): QueryAnswer | undefined {
  if (operation === 'query') return instantQuery(parameters, store, nowMs);
  if (operation === 'series') {
    const found = selectSeries(parameters.getAll('match[]'), store);
    return found === undefined ? badData('match[] is not a bare selector') : success(found.map(asMetric));
  }
  const labelOf = /^label\/([^/]+)\/values$/u.exec(operation)?.[1];
  if (operation !== 'labels' && labelOf === undefined) return undefined;
  const names = new Set<string>();
  for (const { labels } of store.series()) {
    for (const { name, value } of labels) {
      if (labelOf === undefined) names.add(name);
      else if (name === labelOf) names.add(value);
    }
  }
  return success([...names].toSorted());
}

function instantQuery(parameters: URLSearchParams, store: SampleStore, nowMs: number): QueryAnswer {
  const found = selectSeries([parameters.get('query') ?? ''], store);
  if (found === undefined) return badData('the sandbox answers bare selectors only, such as up{job="x"}');
  const seconds = parameters.get('time');
  const atMs = BigInt(Math.round(seconds === null ? nowMs : Number(seconds) * 1000));
  const result = found.flatMap((series) => {
    const sample = latestBefore(series.samples, atMs);
    if (sample === undefined || sample.valueBits === STALE_MARKER) return [];
    return [{ metric: asMetric(series), value: [Number(atMs) / 1000, formatValue(sample.valueBits)] }];
  });
  return success({ resultType: 'vector', result });
}

function selectSeries(selectors: readonly string[], store: SampleStore): SeriesSnapshot[] | undefined {
  const tests = selectors.map(parseSelector);
  const found: SeriesSnapshot[] = [];
  if (tests.length === 0 || tests.includes(undefined)) return undefined;
  for (const series of store.series()) if (tests.some((test) => test?.(series.labels))) found.push(series);
  return found;
}

function latestBefore(samples: readonly StoredSample[], atMs: bigint): StoredSample | undefined {
  let latest: StoredSample | undefined;
  for (const sample of samples) {
    if (sample.timestampMs > atMs || sample.timestampMs <= atMs - LOOKBACK_MS) continue;
    if (latest === undefined || sample.timestampMs > latest.timestampMs) latest = sample;
  }
  return latest;
}

function asMetric({ labels }: SeriesSnapshot): Record<string, string> {
  return Object.fromEntries(labels.map(({ name, value }) => [name, value]));
}

/** Formats a sample as Prometheus does: `+Inf`, `NaN`, else the shortest decimal. */
function formatValue(bits: bigint): string {
  const value = new Float64Array(new BigUint64Array([bits]).buffer)[0] ?? Number.NaN;
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

function success(data: unknown): QueryAnswer {
  return { status: 200, body: { status: 'success', data } };
}

function badData(error: string): QueryAnswer {
  return { status: 400, body: { status: 'error', errorType: 'bad_data', error } };
}
