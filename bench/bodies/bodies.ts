// Request bodies, prepared before anything is measured: WriteRequests as a Prometheus that scrapes node-exporter and
// kube-state-metrics sends them, about 340 bytes and (compressed) 60 bytes a series. Deterministic but for the timestamp.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { compressSync, uncompressSync } from 'snappy';
import { scrapedSeries } from './scraped-series.ts';
import { seededRandom } from './seeded-random.ts';
import { countSamples, encodeSeries, type Label } from './write-request.ts';

export type Body = { readonly compressed: Buffer; readonly rawBytes: number; readonly samples: number };

export type BodyShape = {
  readonly samplesPerRequest: number;
  /** 1 as in steady state; more as from a sender that catches up, so that few label sets carry many samples. */
  readonly samplesPerSeries: number;
  readonly connections: number;
  /** Senders with external labels of their own (cluster, __replica__), so a merge key each; connections are dealt to them in turn. */
  readonly senders: number;
  readonly bodiesPerConnection: number;
  /** Labels on top of those that the exporters give, about 40 bytes each and different in every series. */
  readonly extraLabels?: number;
};

const SCRAPE_INTERVAL_MS = 15_000;
/** Prometheus deals series to its shards by hash, so a request's neighbours are not the scrape's: 1 series in 3 here. */
const SENDER_SHARDS = 3;

/** One list of bodies per connection, all different. `timestampMs` is that of the newest sample. */
export function prepareBodies(shape: BodyShape, timestampMs: number): Body[][] {
  const random = seededRandom(7);
  return Array.from({ length: shape.connections }, (_, connection) => {
    const cluster = `prod-eu-central-1-${String.fromCodePoint(97 + ((connection % shape.senders) % 26))}${Math.floor((connection % shape.senders) / 26)}`;
    return Array.from({ length: shape.bodiesPerConnection }, (_, index) => {
      const firstInstance = (connection * shape.bodiesPerConnection + index) * 40;
      return prepareBody(shape, cluster, firstInstance, timestampMs, random);
    });
  });
}

function prepareBody(
  shape: BodyShape,
  cluster: string,
  firstInstance: number,
  timestampMs: number,
  random: () => number,
): Body {
  const encoded: Buffer[] = [];
  let samples = 0;
  let scraped = 0;
  for (const { labels, integral } of scrapedSeries(cluster, firstInstance)) {
    if (samples >= shape.samplesPerRequest) break;
    scraped += 1;
    if (scraped % SENDER_SHARDS !== 0) continue;
    const count = Math.min(shape.samplesPerSeries, shape.samplesPerRequest - samples);
    const added = addedLabels(shape, firstInstance * 1000 + scraped);
    const all = added.length === 0 ? labels : [...labels, ...added].toSorted(([a], [b]) => (a < b ? -1 : 1));
    encoded.push(encodeSeries(all, sampleRun(count, timestampMs, integral, random)));
    samples += count;
  }
  const raw = Buffer.concat(encoded);
  return { compressed: compressSync(raw), rawBytes: raw.length, samples };
}

/** Without `__replica__` the proxy joins senders of all clusters: only both labels together make AMP deduplicate. */
function addedLabels(shape: BodyShape, series: number): Label[] {
  const extra = Array.from({ length: shape.extraLabels ?? 0 }, (_, index): Label => {
    const value = Math.imul(series * 31 + index, 2654435761) >>> 0;
    return [`team_annotation_${index}`, `value-${value.toString(16).padStart(8, '0')}`];
  });
  return shape.senders > 1 ? [['__replica__', 'prometheus-k8s-0'], ...extra] : extra;
}

function sampleRun(
  count: number,
  newestMs: number,
  integral: boolean,
  random: () => number,
): { value: number; timestampMs: number }[] {
  const start = random() * 10 ** (2 + Math.floor(random() * 6));
  return Array.from({ length: count }, (_, index) => ({
    value: integral ? Math.floor(start) + index : start + index * random(),
    timestampMs: newestMs - (count - 1 - index) * SCRAPE_INTERVAL_MS,
  }));
}

/**
 * Remote write 1.0 bodies that real senders put on the wire (test/fixtures/wire), those that hold samples.
 * Every connection gets the same ones, each starting with another.
 */
export function capturedBodies(directory: string, connections: number): Body[][] {
  const bodies = readdirSync(directory)
    .filter((name) => name.includes('-rw1-') && name.endsWith('.bin'))
    .toSorted()
    .map((name) => {
      const compressed = readFileSync(path.join(directory, name));
      const raw = Buffer.from(uncompressSync(compressed));
      return { compressed, rawBytes: raw.length, samples: countSamples(raw) };
    })
    .filter((body) => body.samples > 0);
  if (bodies.length === 0) throw new Error(`no captured body with samples in ${directory}`);
  return Array.from({ length: connections }, (_, connection) => {
    const turn = connection % bodies.length;
    return [...bodies.slice(turn), ...bodies.slice(0, turn)];
  });
}
