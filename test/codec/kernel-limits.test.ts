import { compressSync } from 'snappy';
import { describe, expect, test } from 'vitest';
import { Kernel, type KernelLimits } from '../../src/codec/kernel.ts';
import { RequestError } from '../../src/outcome/errors.ts';
import { requestErrorOf } from '../support/request-error-of.ts';

const BASE = { maxBodyBytes: 1 << 20, maxDecodedBytes: 16 << 20 };

function times(hex: string, count: number): Buffer {
  return compressSync(Buffer.concat(Array.from({ length: count }, () => Buffer.from(hex, 'hex'))));
}

function scanWith(limits: Partial<KernelLimits>, body: Buffer): ReturnType<Kernel['scan']> {
  return new Kernel({ ...BASE, ...limits }).scan(body);
}

/** A series with a plain label, whose one-byte lengths count what follows; the rest is up to 100 bytes. */
function seriesOf(restHex: string): string {
  const rest = `0a040a001200${restHex}`;
  return `0a${(rest.length / 2).toString(16).padStart(2, '0')}${rest}`;
}

const SAMPLE = '120710808080808001';

describe('the limits on what a request may hold', () => {
  test.each([
    ['plain series', { maxSeries: 10 }, seriesOf(''), 'TOO_MANY_SERIES', 'max_series_per_request'],
    ['uncommon series', { maxSeries: 10 }, '0a020a00', 'TOO_MANY_SERIES', 'max_series_per_request'],
    ['plain samples', { maxSamples: 10 }, seriesOf(SAMPLE), 'TOO_MANY_SAMPLES', 'max_samples_per_request'],
    ['empty samples', { maxSamples: 10 }, seriesOf('1200'), 'TOO_MANY_SAMPLES', 'max_samples_per_request'],
    ['histograms', { maxSamples: 10 }, seriesOf('2200'), 'TOO_MANY_SAMPLES', 'max_samples_per_request'],
    ['exemplars', { maxSamples: 10 }, seriesOf('1a00'), 'TOO_MANY_SAMPLES', 'max_samples_per_request'],
    ['plain metadata', { maxMetadata: 10 }, '1a00', 'TOO_MANY_METADATA', 'max_metadata_per_request'],
    ['uncommon metadata', { maxMetadata: 10 }, '1a023800', 'TOO_MANY_METADATA', 'max_metadata_per_request'],
    ['unknown varints', { maxFields: 10 }, '4800', 'TOO_MANY_FIELDS', 'max_fields_per_request'],
    ['unknown strings', { maxFields: 10 }, '4a00', 'TOO_MANY_FIELDS', 'max_fields_per_request'],
  ])('take as many %s as they say and refuse one more with 413, limit and remedy', (_what, limits, hex, code, key) => {
    expect(scanWith(limits, times(hex, 10))).toBeDefined();
    const error = requestErrorOf(() => scanWith(limits, times(hex, 11)));
    expect(error.code).toBe(code);
    expect(error.httpStatus).toBe(413);
    expect(error.message).toMatch(new RegExp(`more than 10 .*limits\\.${key} \\(10\\); raise it, or lower`));
  });

  test.each([
    ['fields in groups', `4b${'4800'.repeat(20)}4c`],
    ['nested groups', '4b'.repeat(20) + '4c'.repeat(20)],
    ['unknown fields of a series', seriesOf('3800'.repeat(20))],
    ['fields of histograms', seriesOf(`2228${'4200'.repeat(20)}`)],
    ['fields of exemplars', seriesOf(`1a28${'0a00'.repeat(20)}`)],
    ['empty labels', `0a28${'0a00'.repeat(20)}`],
  ])('count %s as fields', (_what, hex) => {
    expect(scanWith({ maxFields: 50 }, times(hex, 1))).toBeDefined();
    expect(requestErrorOf(() => scanWith({ maxFields: 15 }, times(hex, 1))).code).toBe('TOO_MANY_FIELDS');
  });

  test('count labels, samples and metadata of the common shapes as no fields, nor the elements of packed ones', () => {
    const deltas = seriesOf(`22324a30${'01'.repeat(48)}`);
    expect(scanWith({ maxFields: 3 }, times(seriesOf(SAMPLE), 1000)).samples).toBe(1000);
    expect(scanWith({ maxFields: 3 }, times('1a06120022002a00', 1000)).metadata).toBe(1000);
    expect(scanWith({ maxFields: 3 }, times(deltas, 1)).histograms).toBe(1);
  });

  test('stop the scan where the limit is, not behind it', () => {
    // The bytes behind it are invalid.
    const bad = Buffer.concat([Buffer.alloc(2000, '4800', 'hex'), Buffer.from('ff', 'hex')]);
    expect(requestErrorOf(() => scanWith({ maxFields: 500 }, compressSync(bad))).code).toBe('TOO_MANY_FIELDS');
    expect(requestErrorOf(() => scanWith({ maxFields: 5000 }, compressSync(bad))).code).toBe('BODY_NOT_WRITE_REQUEST');
  });

  test('hold for each request anew', () => {
    const kernel = new Kernel({ ...BASE, maxFields: 10, maxSeries: 10, maxSamples: 10 });
    for (let round = 0; round < 3; round += 1) {
      expect(kernel.scan(times('4800', 10)).unknownFields).toBe(10);
      expect(kernel.scan(times(seriesOf(SAMPLE), 10)).samples).toBe(10);
    }
  });
});

const unlimited = new Kernel(BASE);

/** A series with a histogram with these packed deltas. */
function packed(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  const field = Buffer.concat([Buffer.from([0x4a, bytes.length]), bytes]);
  return seriesOf(`22${field.length.toString(16).padStart(2, '0')}${field.toString('hex')}`);
}

/** Returns the number of histograms, or the code of the refusal. */
function histogramsOf(body: Buffer): number | string {
  try {
    return unlimited.scan(body).histograms;
  } catch (error) {
    if (error instanceof RequestError) return error.code;
    throw error;
  }
}

describe('packed varints', () => {
  test.each(Array.from({ length: 60 }, (_, at) => at))('of each length are taken and refused at offset %i', (at) => {
    const lead = '01'.repeat(at);
    for (let bytes = 1; bytes <= 12; bytes += 1) {
      const varint = `${'ff'.repeat(bytes - 1)}01`;
      for (const tail of ['', '01', '01'.repeat(20)]) {
        const body = times(packed(lead + varint + tail), 1);
        expect(histogramsOf(body)).toBe(bytes <= 10 ? 1 : 'BODY_NOT_WRITE_REQUEST');
      }
      const cut = times(packed(`${lead}${'ff'.repeat(bytes)}`), 1);
      expect(requestErrorOf(() => unlimited.scan(cut)).code).toBe('BODY_NOT_WRITE_REQUEST');
    }
  });
});
