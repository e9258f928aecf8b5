import { describe, expect, test } from 'vitest';
import { Apart } from '../../src/batch/apart.ts';

const MINUTE_MS = 60_000;

describe('a sender that is held', () => {
  test('gets a key that it shares with nobody, for five minutes and no longer', () => {
    const apart = new Apart();
    apart.hold('10.0.0.1', '', 1000);
    const key = apart.keyFor('10.0.0.1', '', 1000);
    expect(key).not.toBe('');
    expect(apart.keyFor('10.0.0.1', '', 1000 + 5 * MINUTE_MS - 1)).toBe(key);
    expect(apart.keyFor('10.0.0.1', '', 1000 + 5 * MINUTE_MS)).toBe('');
  });

  test('has the same key for all its parcels, so that they are joined and keep their order', () => {
    const apart = new Apart();
    apart.hold('10.0.0.1', '3:eksa', 0);
    expect(apart.keyFor('10.0.0.1', '3:eksa', 1)).toBe(apart.keyFor('10.0.0.1', '3:eksa', 2));
  });

  test('costs nobody else anything: other senders and its own other merge keys stay as they are', () => {
    const apart = new Apart();
    apart.hold('10.0.0.1', '3:eksa', 0);
    expect(apart.keyFor('10.0.0.2', '3:eksa', 1)).toBe('3:eksa');
    expect(apart.keyFor('10.0.0.1', '3:eksb', 1)).toBe('3:eksb');
    expect(apart.keyFor('10.0.0.1', '', 1)).toBe('');
  });

  test('is held for another five minutes by every further rejection, also of parcels that were apart', () => {
    const apart = new Apart();
    apart.hold('10.0.0.1', '', 0);
    const key = apart.keyFor('10.0.0.1', '', 1);
    apart.hold('10.0.0.1', key, 4 * MINUTE_MS);
    expect(apart.keyFor('10.0.0.1', '', 8 * MINUTE_MS)).toBe(key);
    expect(apart.keyFor('10.0.0.1', '', 9 * MINUTE_MS)).toBe('');
    expect(apart.size).toBe(1);
  });

  test('does not share its key with another that is held', () => {
    const apart = new Apart();
    const senders = ['10.0.0.1', '10.0.0.2', '::1', '10.0.0.11'];
    for (const sender of senders) for (const key of ['', '1:a1', '1:ab']) apart.hold(sender, key, 0);
    const keys = senders.flatMap((sender) => ['', '1:a1', '1:ab'].map((key) => apart.keyFor(sender, key, 1)));
    expect(new Set(keys).size).toBe(12);
  });
});

describe('what is remembered', () => {
  test('ends: entries whose time is over are let go with the next', () => {
    const apart = new Apart();
    for (let sender = 0; sender < 100; sender += 1) apart.hold(`10.0.0.${sender}`, '', sender);
    apart.hold('10.0.1.1', '', 5 * MINUTE_MS + 50);
    // 10.0.0.51 to 99, and the one just held.
    expect(apart.size).toBe(50);
    expect(apart.keyFor('10.0.0.60', '', 5 * MINUTE_MS + 50)).not.toBe('');
  });

  test('is bounded: beyond 10000 the oldest is let go', () => {
    const apart = new Apart();
    for (let sender = 0; sender < 10_050; sender += 1) apart.hold(`sender ${sender}`, '', 0);
    expect(apart.size).toBe(10_000);
    expect(apart.keyFor('sender 49', '', 1)).toBe('');
    expect(apart.keyFor('sender 50', '', 1)).not.toBe('');
    expect(apart.keyFor('sender 10049', '', 1)).not.toBe('');
  });

  test('is in the order of the last rejection: who is rejected again is not the oldest', () => {
    const apart = new Apart();
    for (let sender = 0; sender < 10_000; sender += 1) apart.hold(`sender ${sender}`, '', 0);
    apart.hold('sender 0', '', 1);
    apart.hold('one more', '', 2);
    expect(apart.keyFor('sender 0', '', 3)).not.toBe('');
    expect(apart.keyFor('sender 1', '', 3)).toBe('');
  });
});
