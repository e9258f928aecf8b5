import { expect, test } from 'vitest';
import { MAX_KNOWN, MAX_ROWS, Senders } from '../../../src/admin/status-page/senders.ts';
import type { SenderSource } from '../../../src/admin/status-page/sender-source.ts';

type Mutable = { -readonly [Key in keyof SenderSource]: SenderSource[Key] };

function makeSender(address: string): Mutable {
  return {
    address,
    connections: 1,
    requests: 0,
    samples: 0,
    lastStatus: 204,
    lastRefusal: '',
    isolatedAtMs: -Infinity,
  };
}

test('rates settle at the rate of sending, and the busiest sender is first', () => {
  const [slow, fast] = [makeSender('10.0.0.1'), makeSender('10.0.0.2')];
  const senders = new Senders(() => [slow, fast]);
  for (let second = 1; second <= 60; second += 1) {
    slow.requests += 1;
    slow.samples += 10;
    fast.requests += 4;
    fast.samples += 4000;
    senders.record(second * 1000);
  }
  const { rows, connected } = senders.status(0);
  expect(connected).toBe(2);
  expect(rows.map(({ address }) => address)).toEqual(['10.0.0.2', '10.0.0.1']);
  expect(rows[0]?.samplesPerSecond).toBeCloseTo(4000, -2);
  expect(rows[0]?.requestsPerSecond).toBeCloseTo(4, 1);
  expect(rows[0]?.lastRequestAtMs).toBe(60_000);
});

test('a sender that has gone stays visible, and its counts start again when it comes back', () => {
  const first = makeSender('10.0.0.1');
  let present: SenderSource[] = [first];
  const senders = new Senders(() => present);
  senders.record(1000);
  Object.assign(first, { requests: 100, samples: 100_000 });
  senders.record(2000);
  Object.assign(first, { connections: 0 });
  present = [];
  for (let second = 3; second < 300; second += 1) senders.record(second * 1000);
  expect(senders.status(0)).toMatchObject({
    connected: 0,
    rows: [{ connections: 0, samplesPerSecond: 0, lastRequestAtMs: 2000 }],
  });
  present = [{ ...makeSender('10.0.0.1'), requests: 5, samples: 50 }];
  senders.record(300_000);
  const [row] = senders.status(0).rows;
  expect(row?.samplesPerSecond).toBeGreaterThan(0);
  expect(row?.samplesPerSecond).toBeLessThanOrEqual(50);
});

test('a refusal is shown until the next 2xx, and isolation for a while', () => {
  const sender = makeSender('10.0.0.1');
  const senders = new Senders(() => [sender]);
  Object.assign(sender, { lastStatus: 400, lastRefusal: 'out of order', isolatedAtMs: 1000 });
  senders.record(1000);
  expect(senders.status(2000).rows).toMatchObject([{ lastStatus: 400, lastRefusal: 'out of order', isolated: true }]);
  Object.assign(sender, { lastStatus: 503, lastRefusal: 'the upstream is down; it said a lot' });
  expect(senders.status(2000).rows).toMatchObject([{ lastRefusal: 'the upstream is down' }]);
  sender.lastStatus = 204;
  expect(senders.status(100_000).rows).toMatchObject([{ lastStatus: 204, lastRefusal: '', isolated: false }]);
});

test('a sender without a place gets one when it is free, and its earlier samples do not count as a rate', () => {
  let present = Array.from({ length: MAX_KNOWN }, (_, index) => makeSender(`10.${index >> 8}.${index & 255}.1`));
  const senders = new Senders(() => present);
  senders.record(1000);
  present = [...present.slice(1), { ...makeSender('10.9.9.9'), requests: 1e6, samples: 1e9 }];
  for (let second = 2; second <= 4; second += 1) {
    for (const sender of present) sender.samples += 1;
    senders.record(second * 1000);
  }
  const { rows, more } = senders.status(0);
  expect(more).toBe(MAX_KNOWN - MAX_ROWS);
  expect(Math.max(...rows.map(({ samplesPerSecond }) => samplesPerSecond))).toBeLessThan(2);
});

test('the senders that are kept and shown are bounded, however many there are', () => {
  const all = Array.from({ length: MAX_KNOWN * 3 }, (_, index) => makeSender(`10.${index >> 8}.${index & 255}.1`));
  const senders = new Senders(() => all);
  for (let second = 1; second <= 5; second += 1) senders.record(second * 1000);
  const { rows, connected, more } = senders.status(0);
  expect([MAX_ROWS, MAX_KNOWN]).toEqual([25, 1000]);
  expect([rows.length, connected, more]).toEqual([MAX_ROWS, MAX_KNOWN * 3, MAX_KNOWN * 3 - MAX_ROWS]);
});
