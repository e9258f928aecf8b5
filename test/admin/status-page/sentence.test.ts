import { expect, test } from 'vitest';
import { stateOf, type DestinationFacts } from '../../../src/admin/status-page/sentence.ts';

const WELL: DestinationFacts = {
  name: 'default',
  received: 12_340,
  delivered: 12_345,
  receivedTotal: 1e6,
  pending: 120,
  taken: 5,
  failing: undefined,
  isDown: false,
  hasCredentials: true,
  credentialsError: '',
  rejectedLately: 0,
  queueUsed: 0.01,
  deliveredLastMinute: 12_345,
  rejectedLastMinute: 0,
  slowestMs: 300,
  troubledSinceMs: undefined,
};

const NOW_MS = Date.UTC(2026, 0, 2, 6, 16);

const ONE = { running: 1, wanted: 1 };

function say(...changes: Partial<DestinationFacts>[]): [level: string, sentence: string] {
  const destinations = changes.map((change, index) => ({ ...WELL, name: `d${index}`, ...change }));
  const { level, sentence } = stateOf({ draining: false, workers: ONE, nowMs: NOW_MS, destinations });
  return [level, sentence];
}

function sayOfWorkers(running: number, change: Partial<DestinationFacts> = {}): string {
  const { level, sentence } = stateOf({
    draining: false,
    workers: { running, wanted: 3 },
    nowMs: NOW_MS,
    destinations: [{ ...WELL, ...change }],
  });
  return `${level}: ${sentence}`;
}

function key(change: Partial<DestinationFacts>): string {
  return stateOf({ draining: false, workers: ONE, nowMs: NOW_MS, destinations: [{ ...WELL, ...change }] }).key;
}

test('one sentence describes the state', () => {
  expect(say({})).toEqual(['ok', 'Delivering 12.3k samples/s, nothing lost.']);
  expect(say({ receivedTotal: 0, received: 0 })).toEqual(['idle', 'Ready, and no sender has written yet.']);
  expect(say({ received: 0, pending: 0 })).toEqual(['idle', 'Nothing is coming in; all that came was answered.']);
  expect(say({ failing: '403', taken: 0 })).toEqual(['bad', 'AMP answers 403 (forbidden); trying again.']);
  expect(say({ failing: '403', taken: 0, received: 0, pending: 0 })).toEqual([
    'warn',
    'Nothing is coming in; the last attempt: AMP answers 403 (forbidden).',
  ]);
  expect(say({ failing: 'dns', isDown: true })).toEqual(['bad', 'AMP is not found by DNS; senders are told to wait.']);
  expect(say({ failing: '429' })).toEqual(['warn', 'Delivering 12.3k samples/s, but at times AMP throttles (429).']);
  expect(say({ rejectedLately: 1 })[1]).toBe(
    'Delivering 12.3k samples/s; AMP rejected 1 sample in the last 15 minutes.',
  );
  expect(say({ queueUsed: 0.91 })).toEqual(['warn', 'Delivering 12.3k samples/s; the queue is 91% full.']);
  expect(say({ hasCredentials: false, credentialsError: 'no role.' })).toEqual([
    'bad',
    'There are no AWS credentials: no role.',
  ]);
});

test('the worst of several destinations is named; if all are well, their sum is told', () => {
  expect(say({}, { failing: '403', taken: 0 }, { failing: '429' })).toEqual([
    'bad',
    'remote_write d1: AMP answers 403 (forbidden); trying again.',
  ]);
  expect(say({}, {})).toEqual(['ok', 'Delivering 24.7k samples/s, nothing lost.']);
});

test('workers that take no requests are named before states that are no worse', () => {
  expect(sayOfWorkers(3)).toBe('ok: Delivering 12.3k samples/s, nothing lost.');
  expect(sayOfWorkers(2)).toBe('warn: Delivering 12.3k samples/s; 2 of 3 workers take requests.');
  expect(sayOfWorkers(1, { rejectedLately: 5 })).toBe(
    'warn: Delivering 12.3k samples/s; 1 of 3 workers takes requests.',
  );
  expect(sayOfWorkers(1, { failing: 'dns', isDown: true })).toMatch(/^bad: AMP is not found/);
  expect(sayOfWorkers(0, { rejectedLately: 5 })).toBe('bad: No worker takes requests.');
  expect(sayOfWorkers(0, { hasCredentials: false })).toMatch(/^bad: There are no AWS credentials/);
});

test('the key, which is read aloud, does not change with the numbers', () => {
  expect(key({ delivered: 1 })).toBe(key({ delivered: 2 }));
  expect(key({ rejectedLately: 1 })).toBe(key({ rejectedLately: 2 }));
  expect(key({ failing: '429' })).not.toBe(key({ failing: '403' }));
});

test('the page does not claim that nothing is lost while AMP rejects', () => {
  expect(say({ rejectedLately: 5 })[1]).not.toContain('nothing lost');
});

test('shutting down takes precedence over every other state', () => {
  const state = stateOf({
    draining: true,
    workers: { running: 0, wanted: 2 },
    nowMs: NOW_MS,
    destinations: [{ ...WELL, failing: '403' }],
  });
  expect(state.sentence).toBe('Shutting down: 120 samples are pending.');
});

function whole(change: Partial<DestinationFacts>): { level: string; sentence: string; remedy: string } {
  return stateOf({ draining: false, workers: ONE, nowMs: NOW_MS, destinations: [{ ...WELL, ...change }] });
}

test('nothing delivered while samples are rejected is red, and nobody is said to be unharmed', () => {
  const state = whole({ delivered: 0, deliveredLastMinute: 0, rejectedLastMinute: 3, rejectedLately: 900 });
  expect(state).toMatchObject({
    level: 'bad',
    sentence: 'Nothing is delivered: AMP rejected all 900 samples that it answered.',
  });
  expect(state.remedy).not.toMatch(/others|Nothing is lost/);
});

test('others are said to be well only where others deliver', () => {
  expect(whole({ rejectedLately: 5, rejectedLastMinute: 1 }).remedy).toContain('what others send is delivered');
  expect(whole({ rejectedLately: 5, deliveredLastMinute: 0 }).remedy).not.toContain('others');
});

test('throttling in which nothing is lost is amber, even when nothing passes for a while', () => {
  for (const failing of ['429', 'throttled_400']) {
    expect(whole({ failing, taken: 0, delivered: 0 })).toMatchObject({
      level: 'warn',
      remedy: expect.stringMatching(/^Nothing is lost/),
    });
  }
});

test('AMP that answers in 9 s is amber, with what comes in, what goes out and how long it takes', () => {
  expect(whole({ received: 729, delivered: 174, slowestMs: 24_800 })).toMatchObject({
    level: 'warn',
    sentence: 'Delivering 174 samples/s of 729 samples/s that come in; a delivery takes up to 24.8 s.',
  });
});

test('an outage says since when, and until when senders can keep their data', () => {
  const outage = { failing: 'dns', isDown: true, delivered: 0 };
  expect(whole({ ...outage, troubledSinceMs: Date.UTC(2026, 0, 2, 6, 12) })).toMatchObject({
    sentence: 'AMP is not found by DNS; senders are told to wait, since 06:12 UTC (4 min).',
    remedy: expect.stringMatching(/^Nothing is lost:.* keeps about 2 h, until about 08:12 UTC\./),
  });
  const late = whole({ ...outage, troubledSinceMs: Date.UTC(2026, 0, 2, 3, 16) });
  expect(late.sentence).toContain('since 03:16 UTC (3.0 h)');
  expect(late.remedy).not.toContain('Nothing is lost');
  expect(late.remedy).toContain('over since 05:16 UTC: its oldest samples are being lost');
});
