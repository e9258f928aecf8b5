import { expect, test } from 'vitest';
import { Company, type Visitor } from '../../src/batch/company.ts';

/** A window of the count, ms; a clock that has long been running. */
const WINDOW_MS = 125;
const START_MS = 1_000_000 * WINDOW_MS;

const makeVisitor = (): Visitor => ({ expectedBy: undefined, window: 0 });
const makeVisitors = (count: number): Visitor[] => Array.from({ length: count }, makeVisitor);

test('nobody is expected at first, nor for having sent', () => {
  const company = new Company();
  expect(company.expected(START_MS)).toBe(0);
  for (const visitor of makeVisitors(3)) company.arrived(visitor);
  expect(company.expected(START_MS)).toBe(0);
});

test('a connection that was answered is expected until it sends again', () => {
  const company = new Company();
  const visitor = makeVisitor();
  for (const nowMs of [0, 60, 130, 260, 1000, 5000]) {
    company.arrived(visitor);
    expect(company.expected(START_MS + nowMs)).toBe(0);
    company.answered(visitor, START_MS + nowMs);
    expect(company.expected(START_MS + nowMs)).toBe(1);
  }
});

test('in a closed loop the last to send again leaves nobody to wait for', () => {
  const company = new Company();
  const all = makeVisitors(10);
  for (const visitor of all) company.answered(visitor, START_MS);
  const expected = all.map((visitor) => {
    company.arrived(visitor);
    return company.expected(START_MS + 1);
  });
  expect(expected).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
});

test('a connection is expected in the window of its answer and in the next', () => {
  const company = new Company();
  company.answered(makeVisitor(), START_MS + WINDOW_MS - 1);
  company.answered(makeVisitor(), START_MS + WINDOW_MS);
  expect(company.expected(START_MS + 2 * WINDOW_MS - 1)).toBe(2);
  expect(company.expected(START_MS + 2 * WINDOW_MS)).toBe(1);
  expect(company.expected(START_MS + 3 * WINDOW_MS)).toBe(0);
});

test('silence of more than a window forgets both at once', () => {
  const company = new Company();
  for (const visitor of makeVisitors(2)) company.answered(visitor, START_MS);
  for (const visitor of makeVisitors(3)) company.answered(visitor, START_MS + WINDOW_MS);
  expect(company.expected(START_MS + 3 * WINDOW_MS)).toBe(0);
});

test('one that comes again after it was forgotten takes nobody else out', () => {
  const company = new Company();
  const late = makeVisitor();
  company.answered(late, START_MS);
  company.answered(makeVisitor(), START_MS + 2 * WINDOW_MS);
  company.arrived(late);
  expect(company.expected(START_MS + 2 * WINDOW_MS)).toBe(1);
});

test('several requests of one connection at once make it one', () => {
  const company = new Company();
  const visitor = makeVisitor();
  for (let count = 0; count < 3; count += 1) company.arrived(visitor);
  for (const nowMs of [0, 1, WINDOW_MS]) company.answered(visitor, START_MS + nowMs);
  expect(company.expected(START_MS + WINDOW_MS)).toBe(1);
  company.arrived(visitor);
  expect(company.expected(START_MS + WINDOW_MS)).toBe(0);
});

test('a connection that writes to two destinations in turn is expected where it was answered last', () => {
  const first = new Company();
  const second = new Company();
  const visitor = makeVisitor();
  const counts = (): number[] => [first.expected(START_MS), second.expected(START_MS)];
  first.arrived(visitor);
  first.answered(visitor, START_MS);
  expect(counts()).toEqual([1, 0]);
  second.arrived(visitor);
  expect(counts()).toEqual([0, 0]);
  second.answered(visitor, START_MS);
  expect(counts()).toEqual([0, 1]);
  first.arrived(visitor);
  second.arrived(visitor);
  second.answered(visitor, START_MS);
  first.answered(visitor, START_MS);
  expect(counts()).toEqual([1, 0]);
});
