import { expect, test } from 'vitest';
import { fitBytes, fitCosts, fitMemory, predictCpuSeconds, type Work } from '../../../bench/scaling/cost-fit.ts';
import { nonNegativeLeastSquares } from '../../../bench/scaling/least-squares.ts';

/** Work of a million samples whose cost is known: 40 us a request, 200 ns a sample, 300 us a batch, 5% all the time. */
function work(samplesPerRequest: number, samplesPerBatch: number, seconds: number, bytesPerSample = 300): Work {
  const [requests, batches] = [1e6 / samplesPerRequest, 1e6 / samplesPerBatch];
  return {
    name: `${samplesPerRequest} in ${samplesPerBatch}`,
    cpuSeconds: 40e-6 * requests + 200e-9 * 1e6 + 300e-6 * batches + 0.05 * seconds,
    requests,
    samples: 1e6,
    batches,
    seconds,
    rawBytes: 1e6 * bytesPerSample,
    bytes: (1e6 * bytesPerSample) / 5,
  };
}

const ROWS = [work(100, 5000, 1), work(500, 5000, 2), work(2000, 4000, 8), work(500, 500, 1), work(50, 3200, 3)];

test('the costs that rows were made of are found again', () => {
  const fit = fitCosts(ROWS);
  expect(fit.secondsPerRequest).toBeCloseTo(40e-6, 12);
  expect(fit.secondsPerSample).toBeCloseTo(200e-9, 14);
  expect(fit.secondsPerBatch).toBeCloseTo(300e-6, 11);
  expect(fit.standingCores).toBeCloseTo(0.05, 8);
  expect(fit.worstError).toBeLessThan(1e-6);
  for (const row of ROWS) expect(predictCpuSeconds(fit, row)).toBeCloseTo(row.cpuSeconds, 8);
});

test('a row that deviates is named, with its deviation', () => {
  const [first, ...others] = ROWS;
  if (first === undefined) throw new Error('no row');
  const fit = fitCosts([...others, ...others, ...others, { ...first, name: 'odd', cpuSeconds: first.cpuSeconds * 2 }]);
  expect(fit.worstRow).toBe('odd');
  expect(fit.worstError).toBeGreaterThan(0.2);
});

function workByBytes(bytesPerSample: number): Work {
  const row = work(500, 5000, 1, bytesPerSample);
  return { ...row, name: `${bytesPerSample} bytes`, cpuSeconds: row.cpuSeconds - 0.2 + 0.6e-9 * row.rawBytes };
}

test('a sample that costs by its bytes is told from one that costs by itself', () => {
  const rows = [
    ...ROWS.map((row) => ({ ...row, cpuSeconds: row.cpuSeconds - 0.2 + 0.18 })),
    ...[30, 80, 500, 900].map(workByBytes),
  ];
  // Compressed bytes that are not a fixed part of the others, as in reality.
  const fit = fitBytes(rows.map((row, index) => ({ ...row, bytes: row.bytes * (1 + (index % 3) / 10) })));
  expect(fit.secondsPerRawByte).toBeCloseTo(0.6e-9, 12);
  expect(fit.secondsPerSample).toBeCloseTo(0, 9);
  expect(fit.secondsPerByte).toBeCloseTo(0, 11);
});

test('a term that would be negative is left out instead', () => {
  // y = 3a - 0.1b; without b the best is (3 + 2.9 + 2 * 6 + 2 * 5.8) / (1 + 1 + 4 + 4).
  expect(
    nonNegativeLeastSquares(
      [
        [1, 0],
        [1, 1],
        [2, 1],
        [2, 3],
      ],
      [3, 2.9, 6, 5.8],
    ),
  ).toEqual([expect.closeTo(2.95, 9), 0]);
});

test('fewer rows than terms are refused', () => {
  expect(() => nonNegativeLeastSquares([[1, 2]], [3])).toThrow('1 rows cannot tell 2 terms apart');
});

test('memory is a base and a share of what is held', () => {
  const rows = [1, 2, 8, 20].map((heldMb) => ({ name: `${heldMb} MB`, peakMb: 150 + 5 * heldMb, heldMb }));
  const fit = fitMemory(rows);
  expect(fit.baseMb).toBeCloseTo(150, 6);
  expect(fit.perMbHeld).toBeCloseTo(5, 6);
});
