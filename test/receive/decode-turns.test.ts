import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DecodeTurns, type DecodeCost } from '../../src/receive/decode-turns.ts';

function makeRig(): {
  turns: DecodeTurns;
  decode: (name: string, ms: number) => () => void;
  done: string[];
  clock: { nowMs: number };
} {
  const clock = { nowMs: 1_000_000 };
  const done: string[] = [];
  const decode = (name: string, ms: number) => () => {
    clock.nowMs += ms;
    done.push(name);
  };
  return { turns: new DecodeTurns(() => clock.nowMs), decode, done, clock };
}

const makeSender = (): DecodeCost => ({ decodeMs: 0, decodedAtMs: 0 });

test('a body of a sender that has cost little is decoded at once', () => {
  const { turns, decode, done } = makeRig();
  const sender = makeSender();
  turns.run(sender, decode('a', 19));
  turns.run(sender, decode('b', 30));
  expect(done).toEqual(['a', 'b']);
});

test('only a small body of a sender that has cost nothing is free', () => {
  const { turns } = makeRig();
  expect(turns.isFree(makeSender(), 65_535)).toBe(true);
  expect(turns.isFree(makeSender(), 65_536)).toBe(false);
  expect(turns.isFree({ decodeMs: 1, decodedAtMs: 0 }, 1)).toBe(false);
});

test('bodies of a sender that has cost 20 ms lately wait, one for each turn of the event loop, in their order', async () => {
  const { turns, decode, done } = makeRig();
  const sender = makeSender();
  turns.run(sender, decode('first', 20));
  for (const name of ['second', 'third', 'fourth']) turns.run(sender, decode(name, 30));
  expect(done).toEqual(['first']);
  expect(turns.waiting).toBe(3);
  await turn();
  expect(done).toEqual(['first', 'second']);
  await turn();
  await turn();
  expect(done).toEqual(['first', 'second', 'third', 'fourth']);
  expect(turns.waiting).toBe(0);
});

test('a small body of a sender that has cost much waits as well', () => {
  const { turns, decode, done } = makeRig();
  const sender = makeSender();
  turns.run(sender, decode('large', 100));
  turns.run(sender, decode('small', 0));
  expect(done).toEqual(['large']);
});

test('of those that wait, the sender that has cost least is next', async () => {
  const { turns, decode, done } = makeRig();
  const [greedy, modest] = [makeSender(), makeSender()];
  turns.run(greedy, decode('greedy', 500));
  turns.run(modest, decode('modest', 25));
  turns.run(greedy, decode('greedy again', 1));
  turns.run(modest, decode('modest again', 1));
  await turn();
  expect(done.at(-1)).toBe('modest again');
  await turn();
  expect(done.at(-1)).toBe('greedy again');
});

test('others are decoded at once while bodies wait', () => {
  const { turns, decode, done } = makeRig();
  const greedy = makeSender();
  turns.run(greedy, decode('greedy', 500));
  turns.run(greedy, decode('waits', 500));
  turns.run(makeSender(), decode('good', 1));
  expect(done).toEqual(['greedy', 'good']);
});

test('what a sender has cost is halved in each second, so that it is cheap again when it stops', () => {
  const { turns, decode, done, clock } = makeRig();
  const sender = makeSender();
  turns.run(sender, decode('a', 160));
  clock.nowMs += 2_990;
  turns.run(sender, decode('too early', 1));
  expect(done).toEqual(['a']);
  clock.nowMs += 20;
  turns.run(sender, decode('b', 1));
  expect(done).toEqual(['a', 'b']);
});
