import { describe, expect, test } from 'vitest';
import { encodeProbe } from '../../src/commands/probe-request.ts';
import { decodeWriteRequest } from '../../src/dev/sandbox/write-request.ts';

describe('the request of the probe', () => {
  test('is what protobufjs and snappyjs read as one sample, with labels sorted', () => {
    const timestampMs = 1_764_000_123_456;
    const body = encodeProbe({
      labels: { job: 'probe', __name__: 'up', é: 'ü'.repeat(200) },
      value: -1.5,
      timestampMs,
    });
    const { timeseries } = decodeWriteRequest(body);
    expect(timeseries).toHaveLength(1);
    const [series] = timeseries;
    expect(series?.labels.map(({ name, value }) => [name, value])).toEqual([
      ['__name__', 'up'],
      ['job', 'probe'],
      ['é', 'ü'.repeat(200)],
    ]);
    expect(Number(series?.samples[0]?.timestamp)).toBe(timestampMs);
    // -1.5 as the sandbox keeps it: by its bits.
    expect(JSON.stringify(series?.samples)).toContain(`"value":"${0xbff8n << 48n}"`);
  });

  test('refuses what one literal cannot hold', () => {
    const labels = { __name__: 'up', long: 'x'.repeat(70_000) };
    expect(() => encodeProbe({ labels, value: 1, timestampMs: 0 })).toThrow(/exceeds 65536/);
  });
});
