import { expect, test } from 'vitest';
import { uniqueKey } from '../../src/parcel/merge-key.ts';
import { ParcelQueue } from '../../src/batch/parcel-queue.ts';
import { DELIVERED } from '../../src/outcome/outcome.ts';
import { makeParcel } from '../support/parcels.ts';

test('counts what it holds, over all keys', () => {
  const queue = new ParcelQueue(100);
  queue.tryAdd(makeParcel({ key: 'a', samples: 3 }));
  queue.tryAdd(makeParcel({ key: 'b', samples: 4, histograms: 1 }));
  queue.tryAdd(makeParcel({ key: 'a', samples: 2 }));
  expect([queue.capacityUsed, queue.parcels, queue.keys]).toEqual([10, 3, 2]);
});

test('refuses a parcel that would exceed its capacity and takes one that fills it exactly', () => {
  const queue = new ParcelQueue(10);
  expect(queue.tryAdd(makeParcel({ samples: 6 }))).toBeDefined();
  expect(queue.tryAdd(makeParcel({ samples: 5 }))).toBeUndefined();
  expect(queue.tryAdd(makeParcel({ samples: 4 }))).toBeDefined();
  expect([queue.capacityUsed, queue.parcels]).toEqual([10, 2]);
});

test('takes a parcel over its whole capacity when nothing waits, else it could never be sent', () => {
  const queue = new ParcelQueue(10);
  expect(queue.tryAdd(makeParcel({ samples: 50 }))).toBeDefined();
  expect(queue.tryAdd(makeParcel({ samples: 1 }))).toBeUndefined();
});

test('a full queue still takes the first parcel of a key, so that a key that floods keeps nobody out', () => {
  const queue = new ParcelQueue(10);
  while (queue.tryAdd(makeParcel({ samples: 5, key: 'flood' })) !== undefined);
  expect(queue.capacityUsed).toBe(10);
  expect(queue.tryAdd(makeParcel({ samples: 5, key: 'small' }))).toBeDefined();
  expect(queue.tryAdd(makeParcel({ samples: 5, key: 'small' }))).toBeUndefined();
  expect(queue.tryAdd(makeParcel({ samples: 5, key: 'flood' }))).toBeUndefined();
});

test('gives the parcels of a key in their order', () => {
  const queue = new ParcelQueue(100);
  const parcels = [makeParcel({ key: 'a' }), makeParcel({ key: 'a' })];
  for (const parcel of parcels) queue.tryAdd(parcel);
  queue.tryAdd(makeParcel({ key: 'b' }));
  const keyQueue = queue.tryAdd(makeParcel({ key: 'a' }));
  if (keyQueue === undefined) throw new Error('refused');
  expect(queue.peek(keyQueue)).toBe(parcels[0]);
  queue.shift(keyQueue);
  expect(queue.peek(keyQueue)).toBe(parcels[1]);
});

test('peek lets go of settled parcels before the first that still waits', () => {
  const queue = new ParcelQueue(100);
  const [gone, waits] = [makeParcel({ samples: 30 }), makeParcel({ samples: 5 })];
  queue.tryAdd(gone);
  const keyQueue = queue.tryAdd(waits);
  if (keyQueue === undefined) throw new Error('refused');
  gone.trySettle(DELIVERED);
  expect(queue.peek(keyQueue)).toBe(waits);
  expect([queue.capacityUsed, queue.parcels, keyQueue.sampleCount]).toEqual([5, 1, 5]);
});

test('forgets a key whose last parcel has left', () => {
  const queue = new ParcelQueue(100);
  for (let index = 0; index < 50; index += 1) {
    const keyQueue = queue.tryAdd(makeParcel({ key: `replica-${index}` }));
    if (keyQueue === undefined) throw new Error('refused');
    queue.shift(keyQueue);
  }
  expect([queue.keys, queue.parcels, queue.capacityUsed]).toEqual([0, 0, 0]);
});

test('a parcel that is settled while it waits frees its capacity for the next immediately', () => {
  const queue = new ParcelQueue(10);
  const gone = makeParcel({ samples: 10, bytes: 1000 });
  queue.tryAdd(gone);
  gone.trySettle({ kind: 'refused', reason: 'sender_gone', message: '' });
  expect(queue.tryAdd(makeParcel({ samples: 10 }))).toBeDefined();
});

test('the queue is bounded for parcels without samples too, since metadata alone fills memory as well', () => {
  const queue = new ParcelQueue(10);
  let taken = 0;
  for (let index = 0; index < 1000; index += 1) {
    if (queue.tryAdd(makeParcel({ samples: 0, bytes: 1 })) === undefined) break;
    taken += 1;
  }
  expect(taken).toBeLessThan(1000);
});

test('senders that invent merge keys do not get past the capacity without end', () => {
  const queue = new ParcelQueue(10);
  for (let index = 0; index < 1000; index += 1) queue.tryAdd(makeParcel({ key: `replica-${index}`, samples: 10 }));
  expect(queue.capacityUsed).toBeLessThan(1000);
});

test('the only parcel of a sender may be above its share, and its next one may not', () => {
  const queue = new ParcelQueue(1000);
  expect(queue.tryAdd(makeParcel({ samples: 100, sender: '10.0.0.1' }))).toBeDefined();
  // 900 are left; a share is three times what is left behind it, 3 * 20.
  expect(queue.tryAdd(makeParcel({ samples: 880, sender: '10.0.0.2' }))).toBeDefined();
  expect(queue.tryAdd(makeParcel({ samples: 1, sender: '10.0.0.2' }))).toBeUndefined();
  expect(queue.capacityUsed).toBe(980);
});

test('a single sender may fill three quarters, so that capacity remains for the next', () => {
  const queue = new ParcelQueue(1000);
  while (queue.tryAdd(makeParcel({ samples: 10, sender: '10.0.0.1' })) !== undefined);
  expect(queue.capacityUsed).toBe(750);
  for (let count = 0; count < 10; count += 1) {
    expect(queue.tryAdd(makeParcel({ samples: 10, sender: '10.0.0.2' }))).toBeDefined();
  }
});

test('parcels of a sender that were taken or given up no longer count against its share', () => {
  const queue = new ParcelQueue(1000);
  const flood = (): number => {
    let added = 0;
    while (queue.tryAdd(makeParcel({ samples: 10, sender: '10.0.0.1' })) !== undefined) added += 1;
    return added;
  };
  expect(flood()).toBe(75);
  const key = queue.tryAdd(makeParcel({ samples: 10, sender: '10.0.0.2' }));
  expect(key).toBeDefined();
  if (key === undefined) return;
  // The oldest forty are taken, the next ten give up.
  for (let count = 0; count < 40; count += 1) {
    expect(queue.peek(key)).toBeDefined();
    queue.shift(key);
  }
  for (let count = 0; count < 10; count += 1)
    queue.peek(key)?.trySettle({ kind: 'refused', reason: 'sender_gone', message: '' });
  // 260 wait, 10 of them not its own; it may hold three times what it leaves: x <= 3 (1000 - 10 - x), so 740.
  expect(flood()).toBe((740 - 250) / 10);
});

test('a parcel that waits for another attempt takes its place again, and gives it back', () => {
  const queue = new ParcelQueue(10);
  const waits = makeParcel({ samples: 6, histograms: 1 });
  queue.hold(waits);
  expect([queue.capacityUsed, queue.parcels, queue.keys]).toEqual([7, 1, 0]);
  expect(queue.tryAdd(makeParcel({ samples: 4 }))).toBeUndefined();
  queue.unhold(waits);
  expect([queue.capacityUsed, queue.parcels]).toEqual([0, 0]);
  expect(queue.tryAdd(makeParcel({ samples: 10 }))).toBeDefined();
});

test('a parcel takes its place again though the queue is full', () => {
  const queue = new ParcelQueue(10);
  queue.tryAdd(makeParcel({ samples: 10 }));
  const waits = makeParcel({ samples: 5 });
  queue.hold(waits);
  expect(queue.capacityUsed).toBe(15);
  queue.unhold(waits);
  expect(queue.capacityUsed).toBe(10);
});

test('a parcel that waits for another attempt counts for the share of its sender', () => {
  const queue = new ParcelQueue(1000);
  const waits = makeParcel({ samples: 700, sender: '10.0.0.1' });
  queue.hold(waits);
  // It would hold 800 of 1000, and three times what it leaves is 600.
  expect(queue.tryAdd(makeParcel({ samples: 100, sender: '10.0.0.1' }))).toBeUndefined();
  expect(queue.tryAdd(makeParcel({ samples: 100, sender: '10.0.0.2' }))).toBeDefined();
  queue.unhold(waits);
  expect(queue.tryAdd(makeParcel({ samples: 100, sender: '10.0.0.1' }))).toBeDefined();
});

test.each(['unmergeable', 'unproven', 'isolated'] as const)(
  'a key that only one parcel has gives a sender no place beyond the capacity: %s',
  (kind) => {
    const queue = new ParcelQueue(10);
    queue.tryAdd(makeParcel({ samples: 10 }));
    expect(queue.tryAdd(makeParcel({ samples: 1, mergeKey: uniqueKey(kind) }))).toBeUndefined();
    expect(queue.tryAdd(makeParcel({ samples: 1, key: 'new' }))).toBeDefined();
  },
);

test('a sender whose parcels wait for another attempt does not fill the places of the others', () => {
  const queue = new ParcelQueue(1000);
  let held = 0;
  // Each is taken into a batch at once and fails, so that its key is empty when the next one comes.
  for (let count = 0; count < 300; count += 1) {
    const parcel = makeParcel({ samples: 10, sender: '10.0.0.1' });
    const key = queue.tryAdd(parcel);
    if (key === undefined) continue;
    queue.shift(key);
    queue.hold(parcel);
    held += 10;
  }
  expect(held).toBe(750);
  expect(queue.tryAdd(makeParcel({ samples: 10, sender: '10.0.0.2' }))).toBeDefined();
});
