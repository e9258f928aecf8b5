import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BinaryHeap } from '../../src/send/binary-heap.ts';

const isLess = (a: number, b: number): boolean => a < b;
const ascending = (a: number, b: number): number => a - b;

test('an empty heap has nothing to take', () => {
  const heap = new BinaryHeap(isLess);
  expect([heap.size, heap.peek(), heap.take(), heap.size]).toEqual([0, undefined, undefined, 0]);
});

test('takes what was added in the order that sorting gives', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -50, max: 50 })), (numbers) => {
      const heap = new BinaryHeap(isLess);
      for (const number of numbers) heap.add(number);
      expect(heap.size).toBe(numbers.length);
      expect(heap.items().toSorted(ascending)).toEqual(numbers.toSorted(ascending));
      const taken = numbers.map(() => heap.take());
      expect(taken).toEqual(numbers.toSorted(ascending));
      expect([heap.size, heap.take()]).toEqual([0, undefined]);
    }),
  );
});

test('gives the least of what is in it at any time, adding and taking in turns', () => {
  const step = fc.oneof(fc.integer({ min: -50, max: 50 }), fc.constant('take' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new BinaryHeap(isLess);
      let model: number[] = [];
      const seen: unknown[] = [];
      const expected: unknown[] = [];
      for (const each of steps) {
        if (each === 'take') {
          const [least, ...rest] = model.toSorted(ascending);
          seen.push([heap.peek(), heap.take()]);
          expected.push([least, least]);
          model = rest;
        } else {
          heap.add(each);
          model.push(each);
        }
        seen.push(heap.size);
        expected.push(model.length);
      }
      expect(seen).toEqual(expected);
    }),
  );
});
