import { describe, expect, test } from 'vitest';
import { IsolatedSenders } from '../../src/send/isolated-senders.ts';
import type { ConnectionActivity } from '../../src/parcel/connection-activity.ts';
import { makeConnection } from '../support/parcels.ts';

const MINUTE_MS = 60_000;

describe('a connection that is isolated', () => {
  test('stays so for five minutes and no longer', () => {
    const isolated = new IsolatedSenders();
    const culprit = makeConnection('10.0.0.1');
    isolated.isolate(culprit, '', 1000);
    expect(isolated.isolationOf(culprit, '', 1000)).toBe('isolated');
    expect(isolated.isolationOf(culprit, '', 1000 + 5 * MINUTE_MS - 1)).toBe('isolated');
    expect(isolated.isolationOf(culprit, '', 1000 + 5 * MINUTE_MS)).toBeUndefined();
  });

  test('stays so for another five minutes after every further failure, though some of its requests are delivered', () => {
    const isolated = new IsolatedSenders();
    const culprit = makeConnection('10.0.0.1');
    isolated.isolate(culprit, '', 0);
    isolated.isolate(culprit, '', 4 * MINUTE_MS);
    culprit.deliveredAtMs = 5 * MINUTE_MS;
    expect(isolated.isolationOf(culprit, '', 9 * MINUTE_MS - 1)).toBe('isolated');
    expect(isolated.isolationOf(culprit, '', 9 * MINUTE_MS)).toBeUndefined();
    expect(isolated.size).toBe(1);
  });

  test('costs nobody else anything: other addresses and its own other deduplication keys stay as they are', () => {
    const isolated = new IsolatedSenders();
    const culprit = makeConnection('10.0.0.1');
    isolated.isolate(culprit, '3:eksa', 0);
    expect(isolated.isolationOf(makeConnection('10.0.0.2'), '3:eksa', 1)).toBeUndefined();
    expect(isolated.isolationOf(makeConnection('10.0.0.11'), '3:eksa', 1)).toBeUndefined();
    expect(isolated.isolationOf(culprit, '3:eksb', 1)).toBeUndefined();
    expect(isolated.isolationOf(culprit, '', 1)).toBeUndefined();
  });
});

const other = (deliveredAtMs: number): ConnectionActivity => ({ ...makeConnection('10.0.0.1'), deliveredAtMs });

describe('another connection of its address', () => {
  test('is unproven until it has delivered something since then', () => {
    const isolated = new IsolatedSenders();
    isolated.isolate(makeConnection('10.0.0.1'), '', 1000);
    expect(isolated.isolationOf(other(-Infinity), '', 2000)).toBe('unproven');
    expect(isolated.isolationOf(other(999), '', 2000)).toBe('unproven');
    expect(isolated.isolationOf(other(1500), '', 2000)).toBeUndefined();
  });

  test('has to prove itself once, not after every further failure of the culprit', () => {
    const isolated = new IsolatedSenders();
    const culprit = makeConnection('10.0.0.1');
    isolated.isolate(culprit, '', 1000);
    isolated.isolate(culprit, '', 3000);
    expect(isolated.isolationOf(other(2000), '', 4000)).toBeUndefined();
  });

  test('is like any other when nothing has failed there for five minutes', () => {
    const isolated = new IsolatedSenders();
    isolated.isolate(makeConnection('10.0.0.1'), '', 0);
    expect(isolated.isolationOf(other(-Infinity), '', 5 * MINUTE_MS)).toBeUndefined();
  });
});

const isHeld = (isolated: IsolatedSenders, address: string, nowMs: number): boolean =>
  isolated.isolationOf(makeConnection(address), '', nowMs) !== undefined;

describe('entries', () => {
  test('whose time is over are let go with the next', () => {
    const isolated = new IsolatedSenders();
    for (let last = 0; last < 100; last += 1) isolated.isolate(makeConnection(`10.0.0.${last}`), '', last);
    isolated.isolate(makeConnection('10.0.1.1'), '', 5 * MINUTE_MS + 50);
    // 10.0.0.51 to 99, and the one just isolated.
    expect(isolated.size).toBe(50);
    expect(isHeld(isolated, '10.0.0.60', 5 * MINUTE_MS + 50)).toBe(true);
  });

  test('are bounded: beyond 10000 the oldest is let go', () => {
    const isolated = new IsolatedSenders();
    for (let sender = 0; sender < 10_050; sender += 1) isolated.isolate(makeConnection(`sender ${sender}`), '', 0);
    expect(isolated.size).toBe(10_000);
    expect(isHeld(isolated, 'sender 49', 1)).toBe(false);
    expect(isHeld(isolated, 'sender 50', 1)).toBe(true);
    expect(isHeld(isolated, 'sender 10049', 1)).toBe(true);
  });

  test('are in the order of the last failure, so that a sender that fails again is not the oldest', () => {
    const isolated = new IsolatedSenders();
    for (let sender = 0; sender < 10_000; sender += 1) isolated.isolate(makeConnection(`sender ${sender}`), '', 0);
    isolated.isolate(makeConnection('sender 0'), '', 1);
    isolated.isolate(makeConnection('one more'), '', 2);
    expect(isHeld(isolated, 'sender 0', 3)).toBe(true);
    expect(isHeld(isolated, 'sender 1', 3)).toBe(false);
  });
});
