/** Nobody waits for another's fault: a row of the table of poison for each answer. `npm run poison` plays more of them. */
import { describe, expect, test } from 'vitest';
import { POISON_ANSWERS } from './answers.ts';
import { RowPool } from './pool.ts';
import { ALL_ROWS, baselinesOf, DENSITIES, GOOD_SENDERS, PAIRWISE_ROWS, SHAPES, type Row } from './rows.ts';
import { stretched } from '../support/slowness.ts';

/** All rows are played side by side; the first test waits for the slowest of them. */
const TIMEOUT_MS = 600_000;

describe('the table of poison', () => {
  const rows = ALL_ROWS.filter(({ name }) => name.endsWith(' joined 6 dense'));
  const pool = new RowPool(rows);

  test.each(baselinesOf(rows))('delivers everything in "$name"', { timeout: stretched(TIMEOUT_MS) }, async (row) => {
    expect((await pool.figuresOf(row)).failures).toEqual([]);
  });

  test.each(rows)('keeps good senders out of it in "$name"', { timeout: stretched(TIMEOUT_MS) }, async (row) => {
    expect((await pool.figuresOf(row)).failures).toEqual([]);
  });
});

test('has every combination in the whole table, and every pair of values in the rows of CI', () => {
  const columns: readonly ((row: Row) => string)[] = [
    ({ poison }) => poison?.answer.name ?? '',
    ({ poison }) => poison?.shape ?? '',
    ({ good }) => String(good),
    ({ density }) => density,
  ];
  expect(ALL_ROWS).toHaveLength(POISON_ANSWERS.length * SHAPES.length * GOOD_SENDERS.length * DENSITIES.length);
  const pairsOf = (rows: readonly Row[]): Set<string> =>
    new Set(
      rows.flatMap((row) =>
        columns.flatMap((left, a) =>
          columns.slice(a + 1).map((right, b) => `${a} ${left(row)} / ${a + b + 1} ${right(row)}`),
        ),
      ),
    );
  expect(pairsOf(PAIRWISE_ROWS)).toEqual(pairsOf(ALL_ROWS));
});
