// The input of the micro-benches: several bodies in turn, as a proxy receives them; the branch predictor would learn a
// single body.
import { readFileSync, readdirSync } from 'node:fs';
import { prepareBodies, type Body } from '../bodies/bodies.ts';
import { countSamples } from '../bodies/write-request.ts';
import { uncompressNative } from './libraries.ts';

const FIXTURES = new URL('../../test/fixtures/wire/', import.meta.url);
/** Any will do; bodies are the same in every run. */
const NEWEST_MS = 1_732_300_000_000;

/** Remote write 1.0 as real senders put it on the wire, metadata without samples included. */
export function realBodies(): Body[] {
  return readdirSync(FIXTURES)
    .filter((file) => file.includes('-rw1-') && file.endsWith('.bin'))
    .toSorted()
    .map((file) => {
      const compressed = readFileSync(new URL(file, FIXTURES));
      const raw = uncompressNative(compressed);
      return { compressed, rawBytes: raw.length, samples: countSamples(raw) };
    });
}

/** Makes bodies of so many series with one sample each, as a Prometheus sends them. */
export function madeBodies(count: number, series: number): Body[] {
  const shape = { connections: 1, senders: 1, bodiesPerConnection: count };
  return prepareBodies({ ...shape, samplesPerRequest: series, samplesPerSeries: 1 }, NEWEST_MS).flat();
}

/** Describes the bodies in a few words, for a title. */
export function describe(bodies: readonly Body[]): string {
  const rawBytes = bodies.reduce((sum, body) => sum + body.rawBytes, 0);
  const compressedBytes = bodies.reduce((sum, { compressed }) => sum + compressed.length, 0);
  return `${bodies.length} bodies, ${rawBytes} bytes raw, ${compressedBytes} compressed`;
}
