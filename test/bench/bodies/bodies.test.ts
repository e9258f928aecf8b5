import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { uncompress } from 'snappyjs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { capturedBodies, prepareBodies, type BodyShape } from '../../../bench/bodies/bodies.ts';
import { readBodyFile, writeBodyFile } from '../../../bench/bodies/body-file.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const writeRequest = protobuf.loadSync(path.join(root, 'proto', 'remote.proto')).lookupType('prometheus.WriteRequest');

const decodedRequest = z.object({
  timeseries: z.array(
    z.object({
      labels: z.array(z.object({ name: z.string(), value: z.string() })),
      samples: z.array(z.object({ value: z.number().or(z.nan()), timestamp: z.number() })).default([]),
      histograms: z.array(z.unknown()).default([]),
    }),
  ),
});

function decode(compressed: Uint8Array): z.infer<typeof decodedRequest> {
  const message = writeRequest.decode(uncompress(Uint8Array.from(compressed)));
  return decodedRequest.parse(writeRequest.toObject(message, { longs: Number, defaults: true }));
}

function countSamples({ timeseries }: z.infer<typeof decodedRequest>): number {
  return timeseries.reduce((sum, { samples, histograms }) => sum + samples.length + histograms.length, 0);
}

const SHAPE: BodyShape = {
  samplesPerRequest: 500,
  samplesPerSeries: 1,
  connections: 3,
  senders: 1,
  bodiesPerConnection: 2,
};
const NOW_MS = 1_700_000_000_000;

test.each([
  { ...SHAPE, samplesPerRequest: 100 },
  SHAPE,
  { ...SHAPE, samplesPerRequest: 2000, connections: 1 },
  { ...SHAPE, samplesPerSeries: 10 },
  { ...SHAPE, samplesPerRequest: 95, samplesPerSeries: 10 },
])(
  'prepared bodies hold the claimed samples by snappyjs and protobufjs ($samplesPerRequest, $samplesPerSeries)',
  (shape) => {
    for (const body of prepareBodies(shape, NOW_MS).flat()) {
      const request = decode(body.compressed);
      expect(body.samples).toBe(shape.samplesPerRequest);
      expect(countSamples(request)).toBe(body.samples);
      expect(request.timeseries).toHaveLength(Math.ceil(shape.samplesPerRequest / shape.samplesPerSeries));
    }
  },
);

test('label sets are sorted, unlike each other, and their samples in order up to the given time', () => {
  const requests = prepareBodies({ ...SHAPE, samplesPerSeries: 5 }, NOW_MS)
    .flat()
    .map((body) => decode(body.compressed));
  const seen = new Set<string>();
  for (const { labels, samples } of requests.flatMap(({ timeseries }) => timeseries)) {
    const names = labels.map(({ name }) => name);
    expect(names).toEqual(names.toSorted());
    expect(names[0]).toBe('__name__');
    seen.add(JSON.stringify(labels));
    const times = samples.map(({ timestamp }) => timestamp);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.at(-1)).toBe(NOW_MS);
  }
  expect(seen.size).toBe(6 * 100);
});

test('a request of 2000 samples is as large, and compresses as well, as a real one', () => {
  const [body] = prepareBodies({ ...SHAPE, samplesPerRequest: 2000 }, NOW_MS).flat();
  expect(body?.rawBytes).toBeGreaterThan(600_000);
  expect(body?.rawBytes).toBeLessThan(760_000);
  expect((body?.rawBytes ?? 0) / (body?.compressed.length ?? 1)).toBeGreaterThan(4.5);
  expect((body?.rawBytes ?? 0) / (body?.compressed.length ?? 1)).toBeLessThan(7);
});

test('senders differ in their cluster label, connections of one sender do not', () => {
  const clusters = prepareBodies({ ...SHAPE, connections: 4, senders: 2 }, NOW_MS).map(
    ([body]) => body && decode(body.compressed).timeseries[0]?.labels.find(({ name }) => name === 'cluster')?.value,
  );
  expect(clusters[0]).toBe(clusters[2]);
  expect(clusters[1]).toBe(clusters[3]);
  expect(clusters[0]).not.toBe(clusters[1]);
});

function labelsOf(senders: number): Record<string, string>[] {
  return prepareBodies({ ...SHAPE, connections: 4, senders }, NOW_MS).flatMap((bodies) =>
    bodies
      .flatMap(({ compressed }) => decode(compressed).timeseries)
      .map(({ labels }) => Object.fromEntries(labels.map(({ name, value }) => [name, value]))),
  );
}

test('each of several senders has the two labels that make a merge key of its own, a single one has not', () => {
  const keys = labelsOf(2).map((labels) => [labels['cluster'], labels['__replica__']].join());
  expect(new Set(keys).size).toBe(2);
  expect(labelsOf(2).every((labels) => labels['__replica__'] !== undefined)).toBe(true);
  expect(labelsOf(1).some((labels) => labels['__replica__'] !== undefined)).toBe(false);
});

test('extra labels make the label sets longer, stay sorted and differ from series to series', () => {
  const shape = { ...SHAPE, connections: 1, bodiesPerConnection: 1 };
  const [[plain] = []] = prepareBodies(shape, NOW_MS);
  const [[long] = []] = prepareBodies({ ...shape, extraLabels: 10 }, NOW_MS);
  if (plain === undefined || long === undefined) throw new Error('no body');
  const [before, after] = [decode(plain.compressed).timeseries, decode(long.compressed).timeseries];
  expect(after.map(({ labels }) => labels.length)).toEqual(before.map(({ labels }) => labels.length + 10));
  for (const { labels } of after) {
    const names = labels.map(({ name }) => name);
    expect(names).toEqual(names.toSorted());
  }
  const values = after.map(({ labels }) => labels.find(({ name }) => name === 'team_annotation_3')?.value);
  expect(new Set(values).size).toBe(after.length);
});

test('captured bodies with samples are found and counted as protobufjs counts them', () => {
  const [bodies = []] = capturedBodies(path.join(root, 'test', 'fixtures', 'wire'), 2);
  expect(bodies.length).toBeGreaterThanOrEqual(3);
  for (const body of bodies) expect(countSamples(decode(body.compressed))).toBe(body.samples);
});

test('bodies come back from a body file as they were', () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'bench-bodies-'));
  try {
    const bodies = prepareBodies({ ...SHAPE, samplesPerRequest: 50 }, NOW_MS);
    writeBodyFile(path.join(directory, 'bodies'), bodies);
    const read = readBodyFile(path.join(directory, 'bodies'));
    expect(read).toEqual(bodies.map((list) => list.map(({ compressed, samples }) => ({ bytes: compressed, samples }))));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
