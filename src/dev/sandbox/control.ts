/**
 * The control API, on a port of its own so that it answers whatever the data port has been told to do.
 *
 *   GET    /sandbox/stats         counts; `?requests=1` adds samples and bytes of the logged requests
 *   GET    /sandbox/series        all series; `?match=up{job="x"}` selects
 *   GET    /sandbox/requests      the log of requests
 *   GET    /sandbox/metadata      by family
 *   GET    /sandbox/faults        active faults with their hits
 *   POST   /sandbox/faults        one fault, or an array; `?replace=1` removes the others first
 *   DELETE /sandbox/faults        all of them; `?target=sts` only those; `?id=` one
 *   POST   /sandbox/reset         samples, counts, HA elections and faults
 *   POST   /sandbox/token         {claims} -> {token}
 *   POST   /sandbox/clock         {offsetMs}
 *   POST   /sandbox/credentials   {rotate, accessKeyId, secretAccessKey, expireTemporary, forgetTemporary}
 *   POST   /sandbox/rules         any of AmpRules -> all of them
 *
 * Bodies are JSON. It answers 400 with {error} to an invalid request, and 404 for another path.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { SandboxClock } from './clock.ts';
import type { KnownKeys } from './credentials.ts';
import type { Faults, FaultSpec, FaultTarget } from './faults.ts';
import { isFaultSpec } from './faults.ts';
import type { JsonObject } from './json-object.ts';
import { isJsonObject } from './json-object.ts';
import type { Ledger } from './ledger.ts';
import type { IdentityProvider } from './oidc.ts';
import type { AmpRules } from './rules.ts';
import { parseSelector } from './selector.ts';
import type { SampleStore, SeriesSnapshot } from './store.ts';
import { formatBits } from './store.ts';

export interface ControlParts {
  readonly store: SampleStore;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly provider: IdentityProvider;
  readonly clock: SandboxClock;
  readonly keys: KnownKeys;
  readonly rules: AmpRules;
  /** Resolves when the ports that a fault closes or opens have changed. */
  readonly settled: () => Promise<void>;
  readonly reset: () => void;
  readonly openConnections: () => number;
}

/** One series on the wire. */
export interface SeriesDocument {
  readonly key: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Timestamp in ms as decimal, value as 16 hex digits, most significant first; in order of arrival. */
  readonly samples: readonly (readonly [timestampMs: string, valueHex: string])[];
  /** Timestamp in ms as decimal, the encoded Histogram in hex. */
  readonly histograms: readonly (readonly [timestampMs: string, hex: string])[];
}

export function createControlServer(parts: ControlParts): Server {
  return createServer((request, response) => {
    void respond(request, response, parts);
  });
}

async function respond(request: IncomingMessage, response: ServerResponse, parts: ControlParts): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://sandbox.invalid');
  const route = `${request.method} ${url.pathname}`;
  try {
    const chunks: Buffer[] = [];
    // An IncomingMessage without an encoding yields Buffers.
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const body: unknown = text === '' ? {} : JSON.parse(text);
    if (route === 'GET /sandbox/series') {
      sendSeries(response, parts.store, url.searchParams.get('match'));
      return;
    }
    const result = await act(route, url.searchParams, body, parts);
    send(response, result === undefined ? 404 : 200, result ?? { error: `no ${route}` });
  } catch (error) {
    send(response, 400, { error: error instanceof Error ? error.message : String(error) });
  }
}

async function act(route: string, query: URLSearchParams, body: unknown, parts: ControlParts): Promise<unknown> {
  const { faults, ledger, store, rules } = parts;
  switch (route) {
    case 'GET /sandbox/stats':
      return statsOf(parts, query.has('requests'));
    case 'GET /sandbox/requests':
      return ledger.requests();
    case 'GET /sandbox/metadata':
      return Object.fromEntries(store.metadata);
    case 'GET /sandbox/faults':
      return faults.list();
    case 'POST /sandbox/faults': {
      if (query.has('replace')) faults.clear();
      const specs: unknown[] = Array.isArray(body) ? body : [body];
      const ids = specs.map((spec) => faults.add(asFault(spec)));
      await parts.settled();
      return { ids };
    }
    case 'DELETE /sandbox/faults': {
      const id = query.get('id');
      const target = query.get('target');
      if (id === null) faults.clear(target === null ? undefined : asTarget(target));
      else faults.remove(id);
      await parts.settled();
      return {};
    }
    case 'POST /sandbox/reset':
      parts.reset();
      await parts.settled();
      return {};
    case 'POST /sandbox/token':
      return { token: parts.provider.issue(asObject(asObject(body)['claims'] ?? {})) };
    case 'POST /sandbox/clock': {
      const { offsetMs } = asObject(body);
      if (typeof offsetMs !== 'number') throw new TypeError('offsetMs has to be a number of milliseconds');
      parts.clock.offsetMs = offsetMs;
      return { now: new Date(parts.clock.nowMs()).toISOString() };
    }
    case 'POST /sandbox/credentials':
      return changeCredentials(asObject(body), parts.keys);
    case 'POST /sandbox/rules':
      changeRules(asObject(body), rules);
      return rules;
    default:
      return undefined;
  }
}

function statsOf({ store, ledger, openConnections }: ControlParts, withRequests: boolean): Record<string, unknown> {
  const stats = {
    ...ledger.stats(),
    stored: {
      series: store.seriesCount,
      samples: store.sampleCount,
      histograms: store.histogramCount,
      metadata: store.metadata.size,
    },
    openConnections: openConnections(),
  };
  if (!withRequests) return stats;
  const parcels = ledger
    .requests()
    .map(({ status, samples, histograms, bytes }) => ({ status, samples, histograms, bytes }));
  return { ...stats, parcels };
}

function changeCredentials(body: JsonObject, keys: KnownKeys): { accessKeyId: string; secretAccessKey: string } {
  if (body['rotate'] === true || body['accessKeyId'] !== undefined) {
    keys.rotateStatic(asOptionalString(body['accessKeyId']), asOptionalString(body['secretAccessKey']));
  }
  if (body['expireTemporary'] === true) keys.expireTemporary();
  if (body['forgetTemporary'] === true) keys.forgetTemporary();
  const { accessKeyId, secretAccessKey } = keys.static;
  return { accessKeyId, secretAccessKey };
}

function changeRules(changes: JsonObject, rules: AmpRules): void {
  const known = new Map(Object.entries(rules));
  for (const [name, value] of Object.entries(changes)) {
    if (typeof value !== typeof known.get(name)) throw new TypeError(`no rule ${name} takes ${JSON.stringify(value)}`);
  }
  Object.assign(rules, changes);
}

/** Series by series, so that millions of samples never are one string. */
function sendSeries(response: ServerResponse, store: SampleStore, match: string | null): void {
  const test = match === null ? () => true : parseSelector(match);
  if (test === undefined) throw new TypeError(`match is not a bare selector: ${match}`);
  response.writeHead(200, { 'content-type': 'application/json' });
  let separator = '[';
  for (const series of store.series()) {
    if (!test(series.labels)) continue;
    response.write(`${separator}${JSON.stringify(documentOf(series))}`);
    separator = ',\n';
  }
  response.end(separator === '[' ? '[]' : ']');
}

function documentOf({ key, labels, samples, histograms }: SeriesSnapshot): SeriesDocument {
  return {
    key,
    labels: Object.fromEntries(labels.map(({ name, value }) => [name, value])),
    samples: samples.map(({ timestampMs, valueBits }) => [String(timestampMs), formatBits(valueBits)]),
    histograms: histograms.map(({ timestampMs, hex }) => [String(timestampMs), hex]),
  };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function asObject(value: unknown): JsonObject {
  if (!isJsonObject(value)) throw new TypeError('the body has to be a JSON object');
  return value;
}

function asOptionalString(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function asFault(value: unknown): FaultSpec {
  if (isFaultSpec(value)) return value;
  throw new TypeError(`a fault needs an action with a known kind: ${JSON.stringify(value)}`);
}

function asTarget(text: string): FaultTarget {
  if (text === 'amp' || text === 'sts') return text;
  throw new TypeError(`target is amp or sts, not ${text}`);
}
