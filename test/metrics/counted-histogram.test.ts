import { Histogram, Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { CountedHistogram } from '../../src/metrics/counted-histogram.ts';
import { Observations } from '../../src/metrics/observations.ts';

const CONFIG = { name: 'duration_seconds', help: 'How long.', labelNames: ['route', 'outcome'], buckets: [0.1, 1, 10] };
const LABELS = { route: 'a"b\\c', outcome: 'delivered' };
/** Below, on and above the bounds. */
const VALUES = [0, 0.05, 0.1, 0.100001, 1, 3, 10, 11, 1e9];

/** The same observations by prom-client's own histogram. */
function theirs(): Registry {
  const registry = new Registry();
  const histogram = new Histogram({ ...CONFIG, registers: [registry] });
  for (const value of VALUES) histogram.observe(LABELS, value);
  return registry;
}

function ours(values: readonly number[] = VALUES): Registry {
  const registry = new Registry();
  const observations = new Observations(CONFIG.buckets);
  const read = () => [{ labels: LABELS, observed: observations.observed }];
  // oxlint-disable-next-line no-new -- it registers itself
  new CountedHistogram({ ...CONFIG, registers: [registry] }, read);
  for (const value of values) observations.observe(value);
  return registry;
}

/** Series in any order of their labels. */
function series(exposition: string): string[] {
  return exposition
    .split('\n')
    .map((line) =>
      line.replace(
        /\{(.*)\}/,
        (_all, labels: string) =>
          `{${labels
            .match(/\w+="(?:[^"\\]|\\.)*"/g)
            ?.toSorted()
            .join()}}`,
      ),
    )
    .filter((line) => line !== '');
}

describe('a counted histogram', () => {
  test('is written as one of prom-client with the same observations', async () => {
    expect(series(await ours().metrics())).toEqual(series(await theirs().metrics()));
  });

  test('is the same as JSON, which is what the workers of one proxy are summed by', async () => {
    const [mine] = await ours().getMetricsAsJSON();
    const [other] = await theirs().getMetricsAsJSON();
    // But for exemplars, of which there are none.
    expect(mine).toEqual(JSON.parse(JSON.stringify(other).replaceAll('"exemplar":null,', '')));
  });

  test('has its series from the start, at 0', async () => {
    const exposition = await ours([]).metrics();
    expect(exposition).toContain('duration_seconds_count{');
    expect(exposition.match(/ 0$/gm)).toHaveLength(6);
  });
});
