import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OpenParcels } from '../../src/queue/open-parcels.ts';
import type { Parcel } from '../../src/parcel/parcel.ts';
import { makeParcel } from '../support/parcels.ts';

/** Identifies parcels by their number of samples. */
const samplesOf = (parcels: Iterable<Parcel>): number[] => [...parcels].map(({ samples }) => samples);
const ALL = (): boolean => true;

test('holds what a Set would hold, in its order, whatever is taken out and when', () => {
  const step = fc.oneof(fc.constant('add' as const), fc.record({ remove: fc.nat(100) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      const list = new OpenParcels();
      const set = new Set<Parcel>();
      let made = 0;
      for (const each of steps) {
        if (each === 'add') {
          made += 1;
          const parcel = makeParcel({ samples: made });
          list.add(parcel);
          set.add(parcel);
        } else {
          const parcel = [...set][each.remove % Math.max(1, set.size)];
          if (parcel !== undefined) {
            list.remove(parcel);
            set.delete(parcel);
          }
        }
        expect(list.size).toBe(set.size);
        expect(samplesOf(list.filter(ALL))).toEqual(samplesOf(set));
      }
    }),
  );
});

test('gives those that are meant, in an array of its own', () => {
  const list = new OpenParcels();
  const parcels = [10, 20, 30, 40].map((samples) => makeParcel({ samples }));
  for (const parcel of parcels) list.add(parcel);
  const large = list.filter(({ samples }) => samples >= 20);
  for (const parcel of large) list.remove(parcel);
  expect(samplesOf(large)).toEqual([20, 30, 40]);
  expect(samplesOf(list.filter(ALL))).toEqual([10]);
});

test('a parcel that was taken out leads to no other', () => {
  const list = new OpenParcels();
  const [first, second, third] = [makeParcel(), makeParcel(), makeParcel()];
  for (const parcel of [first, second, third]) list.add(parcel);
  list.remove(second);
  expect([second.older, second.newer]).toEqual([undefined, undefined]);
  expect(first.newer).toBe(third);
  expect(third.older).toBe(first);
});
