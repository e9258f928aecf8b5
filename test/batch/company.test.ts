import { expect, test } from 'vitest';
import { Company, type Visitor } from '../../src/batch/company.ts';

const visitors = (count: number): Visitor[] => Array.from({ length: count }, () => ({ window: 0 }));

test('counts a connection once in a window, however many requests it brings', () => {
  const company = new Company();
  const [first, second] = visitors(2);
  if (first === undefined || second === undefined) throw new Error('two visitors');
  for (const nowMs of [1, 2, 3]) company.arrived(first, nowMs);
  company.arrived(second, 4);
  expect(company.active).toBe(2);
});

test('remembers the last window while the new one fills', () => {
  const company = new Company();
  const all = visitors(10);
  for (const visitor of all) company.arrived(visitor, 10);
  company.arrived({ window: 0 }, 260);
  expect(company.active).toBe(10);
});

test('a newly busy window counts at once', () => {
  const company = new Company();
  company.arrived({ window: 0 }, 10);
  for (const visitor of visitors(5)) company.arrived(visitor, 260);
  expect(company.active).toBe(5);
});

test('forgets connections that were silent for a whole window', () => {
  const company = new Company();
  for (const visitor of visitors(10)) company.arrived(visitor, 10);
  company.arrived({ window: 0 }, 10 + 2 * 250);
  expect(company.active).toBe(1);
});

test('a connection that comes back in a later window counts again', () => {
  const company = new Company();
  const visitor = { window: 0 };
  for (const nowMs of [10, 260, 510, 760]) {
    company.arrived(visitor, nowMs);
    expect(company.active).toBe(1);
  }
});

test('nobody has arrived at first, and a clock that starts anywhere is good', () => {
  const company = new Company();
  expect(company.active).toBe(0);
  company.arrived({ window: 0 }, 123_456_789.5);
  expect(company.active).toBe(1);
});
