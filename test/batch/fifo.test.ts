import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fifo } from '../../src/batch/fifo.ts';

test('gives back what was pushed, in that order', () => {
  const fifo = new Fifo<number>();
  for (const item of [1, 2, 3]) fifo.push(item);
  expect([fifo.shift(), fifo.shift(), fifo.shift(), fifo.shift()]).toEqual([1, 2, 3, undefined]);
});

test('peek shows the oldest and leaves it there', () => {
  const fifo = new Fifo<string>();
  expect(fifo.peek()).toBeUndefined();
  fifo.push('a');
  fifo.push('b');
  expect([fifo.peek(), fifo.peek(), fifo.length]).toEqual(['a', 'a', 2]);
});

test('keeps the order when it grows while its head is in the middle of the ring', () => {
  const fifo = new Fifo<number>();
  for (let item = 0; item < 10; item += 1) fifo.push(item);
  for (let item = 0; item < 10; item += 1) fifo.shift();
  for (let item = 100; item < 140; item += 1) fifo.push(item);
  const out: (number | undefined)[] = [];
  while (fifo.length > 0) out.push(fifo.shift());
  expect(out).toEqual(Array.from({ length: 40 }, (_, index) => 100 + index));
});

test('behaves as an array does with push, shift and [0], whatever the sequence', () => {
  const command = fc.oneof(
    { weight: 3, arbitrary: fc.integer() },
    { weight: 2, arbitrary: fc.constant('shift' as const) },
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 300, size: 'max' }), (commands) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      for (const step of commands) {
        let shifted: readonly (number | undefined)[] = [];
        if (step === 'shift') {
          shifted = [fifo.shift(), model.shift()];
        } else {
          fifo.push(step);
          model.push(step);
        }
        expect(shifted[0]).toBe(shifted[1]);
        expect(fifo.length).toBe(model.length);
        expect(fifo.peek()).toBe(model[0]);
      }
    }),
  );
});

test('shift on an empty one changes nothing', () => {
  const fifo = new Fifo<number>();
  fifo.shift();
  fifo.shift();
  expect(fifo.length).toBe(0);
  fifo.push(7);
  expect(fifo.peek()).toBe(7);
});
