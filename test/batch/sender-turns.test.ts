import { expect, test } from 'vitest';
import { SenderTurns } from '../../src/batch/sender-turns.ts';
import { uniqueKey } from '../../src/parcel/merge-key.ts';
import { ParcelQueue } from '../../src/batch/parcel-queue.ts';
import { makeParcel } from '../support/parcels.ts';

/** Pushes a key for each of these senders, and takes all out again, as `sender number`. */
function turnsOf(senders: readonly string[]): string[] {
  const queue = new ParcelQueue(1000);
  const turns = new SenderTurns();
  for (const [at, sender] of senders.entries()) {
    const key = queue.tryAdd(makeParcel({ sender, samples: at + 1, mergeKey: uniqueKey('isolated') }));
    if (key !== undefined) turns.push(key);
    expect(turns.length).toBe(at + 1);
  }
  const taken = senders.map(() => turns.shift()?.parcels.peek());
  expect([turns.length, turns.shift()]).toEqual([0, undefined]);
  return taken.map((parcel) => `${parcel?.sender} ${parcel?.sampleCount}`);
}

test('senders take turns, each in the order of its keys', () => {
  expect(turnsOf(['a', 'a', 'a', 'b', 'c', 'b'])).toEqual(['a 1', 'b 4', 'c 5', 'a 2', 'b 6', 'a 3']);
});

test('a single sender gets every turn', () => {
  expect(turnsOf(['a', 'a', 'a'])).toEqual(['a 1', 'a 2', 'a 3']);
});
