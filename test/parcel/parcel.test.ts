import { expect, test } from 'vitest';
import { DELIVERED } from '../../src/outcome/outcome.ts';
import { makeParcel, OpenBook } from '../support/parcels.ts';

test('weighs its samples and its histograms, not its exemplars', () => {
  expect(makeParcel({ samples: 3, histograms: 4, exemplars: 100 }).weight).toBe(7);
});

test('the first outcome stands and is accounted for once', async () => {
  const book = new OpenBook();
  const parcel = makeParcel({}, book);
  expect(parcel.settled).toBe(false);
  expect(parcel.trySettle({ kind: 'rejected', status: 400, reason: 'other', message: 'first' })).toBe(true);
  expect(parcel.trySettle(DELIVERED)).toBe(false);
  expect(parcel.settled).toBe(true);
  const first = { kind: 'rejected', status: 400, reason: 'other', message: 'first' };
  expect(parcel.outcome).toEqual(first);
  expect([...book.outcomes.values()]).toEqual([first]);
});

test('counts as settled while the ledger closes it, so that nothing can settle it again from there', () => {
  const book = new OpenBook();
  const parcel = makeParcel({}, book);
  let again = true;
  book.close = () => {
    again = parcel.trySettle(DELIVERED);
  };
  parcel.trySettle(DELIVERED);
  expect(again).toBe(false);
});
