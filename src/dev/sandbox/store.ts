/**
 * Remembers every accepted sample with its exact bits, in order of arrival.
 *
 * Samples of all series lie in one column store, chunk by chunk, 20 bytes each; a sample points back to the previous
 * one of its series. So a few million samples cost some tens of MB, and the order across series is kept too.
 */
import type { DecodedMetadata, Int64, Label } from './write-request.ts';

export interface StoredSample {
  readonly timestampMs: bigint;
  /** The 8 bytes of the value as an unsigned number: a stale marker is 0x7ff0000000000002n. */
  readonly valueBits: bigint;
}

export interface StoredHistogram {
  readonly timestampMs: bigint;
  /** The encoded Histogram message, as it arrived, in lower-case hex. */
  readonly hex: string;
}

export interface SeriesSnapshot {
  /** `{__name__="up", job="x"}`: labels in order, as Prometheus prints them. */
  readonly key: string;
  readonly labels: readonly Label[];
  readonly samples: readonly StoredSample[];
  readonly histograms: readonly StoredHistogram[];
}

/** The state of a series that the rules need to judge its next sample. */
export interface StoredSeries {
  readonly id: number;
  readonly key: string;
  readonly labels: readonly Label[];
  latestTimestamp: Int64 | undefined;
  /** The content of the newest sample: its bits, or a Histogram's hex. */
  latestContent: string | Int64 | undefined;
  lastIndex: number;
  readonly histograms: StoredHistogram[];
}

const CHUNK_SAMPLES = 65_536;
const WORDS = 2;

interface Chunk {
  readonly timestamps: Int32Array;
  readonly values: Int32Array;
  readonly previous: Int32Array;
}

export class SampleStore {
  #series = new Map<string, StoredSeries>();
  #byId: StoredSeries[] = [];
  #chunks: Chunk[] = [];
  #metadata = new Map<string, DecodedMetadata>();
  #sampleCount = 0;
  #histogramCount = 0;
  #newest: Int64 | undefined;

  get sampleCount(): number {
    return this.#sampleCount;
  }

  get histogramCount(): number {
    return this.#histogramCount;
  }

  get seriesCount(): number {
    return this.#series.size;
  }

  /** Metadata by family name, the latest of each. */
  get metadata(): ReadonlyMap<string, DecodedMetadata> {
    return this.#metadata;
  }

  /** The newest timestamp of all series, which an out-of-order window is measured from. */
  get newestTimestamp(): Int64 | undefined {
    return this.#newest;
  }

  ensureSeries(labels: readonly Label[]): StoredSeries {
    const key = formatLabels(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const series: StoredSeries = {
      id: this.#byId.length,
      key,
      labels: labels.map(({ name, value }) => ({ name, value })),
      latestTimestamp: undefined,
      latestContent: undefined,
      lastIndex: -1,
      histograms: [],
    };
    this.#series.set(key, series);
    this.#byId.push(series);
    return series;
  }

  addSample(series: StoredSeries, timestamp: Int64, value: Int64): void {
    const index = this.#sampleCount;
    const slot = index % CHUNK_SAMPLES;
    if (slot === 0) this.#chunks.push(newChunk());
    const chunk = this.#chunkOf(index);
    chunk.timestamps[slot * WORDS] = timestamp.low;
    chunk.timestamps[slot * WORDS + 1] = timestamp.high;
    chunk.values[slot * WORDS] = value.low;
    chunk.values[slot * WORDS + 1] = value.high;
    chunk.previous[slot] = series.lastIndex;
    series.lastIndex = index;
    this.#sampleCount = index + 1;
    this.#noteLatest(series, timestamp, value);
  }

  addHistogram(series: StoredSeries, timestamp: Int64, hex: string): void {
    series.histograms.push({ timestampMs: toBigInt(timestamp), hex });
    this.#histogramCount += 1;
    this.#noteLatest(series, timestamp, hex);
  }

  addMetadata(metadata: DecodedMetadata): void {
    const { type, metricFamilyName, help, unit } = metadata;
    this.#metadata.set(metricFamilyName, { type, metricFamilyName, help, unit });
  }

  /** The newest stored sample of a series at exactly this time, or undefined. Walks the series: for rare questions. */
  findSampleAt(series: StoredSeries, timestamp: Int64): bigint | undefined {
    const wanted = toBigInt(timestamp);
    for (let index = series.lastIndex; index >= 0; index = this.#previousOf(index)) {
      const sample = this.#sampleAt(index);
      if (sample.timestampMs === wanted) return sample.valueBits;
    }
    return undefined;
  }

  /** All samples of one series in order of arrival; empty when the series is not known. */
  samplesOf(key: string): StoredSample[] {
    const samples: StoredSample[] = [];
    const series = this.#series.get(key);
    if (series === undefined) return samples;
    for (let index = series.lastIndex; index >= 0; index = this.#previousOf(index)) samples.push(this.#sampleAt(index));
    return samples.toReversed();
  }

  hasSeries(key: string): boolean {
    return this.#series.has(key);
  }

  keyOf(seriesId: number): string {
    const series = this.#byId[seriesId];
    if (series === undefined) throw new RangeError(`no series ${seriesId}`);
    return series.key;
  }

  /** Every series that has samples or histograms, in order of first arrival. */
  *series(): Generator<SeriesSnapshot> {
    for (const { key, labels, histograms } of this.#byId) {
      const samples = this.samplesOf(key);
      if (samples.length > 0 || histograms.length > 0) yield { key, labels, samples, histograms };
    }
  }

  reset(): void {
    this.#series.clear();
    this.#metadata.clear();
    this.#byId = [];
    this.#chunks = [];
    this.#sampleCount = 0;
    this.#histogramCount = 0;
    this.#newest = undefined;
  }

  #noteLatest(series: StoredSeries, timestamp: Int64, content: string | Int64): void {
    if (series.latestTimestamp === undefined || compareInt64(timestamp, series.latestTimestamp) > 0) {
      series.latestTimestamp = timestamp;
      series.latestContent = content;
    }
    if (this.#newest === undefined || compareInt64(timestamp, this.#newest) > 0) this.#newest = timestamp;
  }

  #sampleAt(index: number): StoredSample {
    const chunk = this.#chunkOf(index);
    const word = (index % CHUNK_SAMPLES) * WORDS;
    return {
      timestampMs: toBigInt({ low: chunk.timestamps[word] ?? 0, high: chunk.timestamps[word + 1] ?? 0 }),
      valueBits: toBits({ low: chunk.values[word] ?? 0, high: chunk.values[word + 1] ?? 0 }),
    };
  }

  #previousOf(index: number): number {
    return this.#chunkOf(index).previous[index % CHUNK_SAMPLES] ?? -1;
  }

  #chunkOf(index: number): Chunk {
    const chunk = this.#chunks[Math.floor(index / CHUNK_SAMPLES)];
    if (chunk === undefined) throw new RangeError(`no sample ${index}`);
    return chunk;
  }
}

function newChunk(): Chunk {
  return {
    timestamps: new Int32Array(CHUNK_SAMPLES * WORDS),
    values: new Int32Array(CHUNK_SAMPLES * WORDS),
    previous: new Int32Array(CHUNK_SAMPLES),
  };
}

/** Labels as Prometheus prints them: `{__name__="up", job="x"}`. */
export function formatLabels(labels: readonly Label[]): string {
  return `{${labels.map(({ name, value }) => `${name}=${JSON.stringify(value)}`).join(', ')}}`;
}

/** Negative, zero or positive, as signed 64-bit numbers. */
export function compareInt64(a: Int64, b: Int64): number {
  return a.high === b.high ? (a.low >>> 0) - (b.low >>> 0) : a.high - b.high;
}

export function toBigInt({ low, high }: Int64): bigint {
  return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low >>> 0));
}

export function toBits(value: Int64): bigint {
  return BigInt.asUintN(64, toBigInt(value));
}

/** 16 hex digits, most significant first: a stale marker is `7ff0000000000002`. */
export function formatBits(valueBits: bigint): string {
  return valueBits.toString(16).padStart(16, '0');
}
