import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Kernel } from '../../src/codec/kernel.ts';
import { KernelTurns, type KernelCost, type KernelJob } from '../../src/codec/kernel-turns.ts';
import type { Steps } from '../../src/platform/steps.ts';

function makeRig(): {
  turns: KernelTurns;
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
  return {
    turns: new KernelTurns(new Kernel({ maxBodyBytes: 1024, maxDecodedBytes: 1024 }), () => clock.nowMs),
    decode,
    done,
    clock,
  };
}

/** A job that takes a few ms in each step. */
function makeJob(rig: ReturnType<typeof makeRig>, name: string, stepsMs: readonly number[]): KernelJob<string> {
  const { clock, done } = rig;
  function* steps(): Steps<string> {
    for (const [i, ms] of stepsMs.entries()) {
      if (i > 0) yield;
      clock.nowMs += ms;
      done.push(`${name}${i}`);
    }
    return name;
  }
  const ended = (result: string): void => void done.push(`${result} done`);
  return { steps: steps(), isWanted: () => true, done: ended, failed: () => void done.push(`${name} failed`) };
}

const makeSender = (): KernelCost => ({ kernelMs: 0, kernelAtMs: 0 });

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
  expect(turns.isFree({ kernelMs: 1, kernelAtMs: 0 }, 1)).toBe(false);
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

describe('a job in steps', () => {
  test('is done at once for a sender that has cost little, where it is short', () => {
    const rig = makeRig();
    rig.turns.runInSteps(makeSender(), makeJob(rig, 'a', [3, 3, 3, 3]));
    expect(rig.done).toEqual(['a0', 'a1', 'a2', 'a3', 'a done']);
    expect(rig.turns.waiting).toBe(0);
  });

  test('is interrupted after 10 ms, and goes on a step in each turn of the event loop', async () => {
    const rig = makeRig();
    rig.turns.runInSteps(makeSender(), makeJob(rig, 'a', [5, 5, 5, 5]));
    expect(rig.done).toEqual(['a0', 'a1']);
    await turn();
    expect(rig.done).toEqual(['a0', 'a1', 'a2']);
    await turn();
    expect(rig.done.slice(3)).toEqual(['a3', 'a done']);
  });

  test('is charged to its sender', () => {
    const rig = makeRig();
    const sender = makeSender();
    rig.turns.runInSteps(sender, makeJob(rig, 'a', [4, 5]));
    expect(sender.kernelMs).toBeCloseTo(9, 0);
  });

  test('does not begin before another has ended, which goes on in the turn of who waits for it', async () => {
    const rig = makeRig();
    const [greedy, modest] = [makeSender(), makeSender()];
    rig.turns.runInSteps(greedy, makeJob(rig, 'greedy', [500, 30, 30]));
    rig.turns.run(greedy, rig.decode('small of greedy', 1));
    rig.turns.runInSteps(modest, makeJob(rig, 'modest', [1]));
    await turn();
    await turn();
    await turn();
    await turn();
    expect(rig.done.join(', ')).toBe('greedy0, greedy1, greedy2, greedy done, modest0, modest done, small of greedy');
  });

  test('waits for its turn where its sender has cost much, though nothing else is going on', async () => {
    const rig = makeRig();
    const sender: KernelCost = { kernelMs: 20, kernelAtMs: rig.clock.nowMs };
    rig.turns.runInSteps(sender, makeJob(rig, 'a', [1]));
    expect(rig.done).toEqual([]);
    await turn();
    expect(rig.done).toEqual(['a0', 'a done']);
  });

  test('goes on after a small body that waits, where that sender has cost less', async () => {
    const rig = makeRig();
    const modest: KernelCost = { kernelMs: 100, kernelAtMs: rig.clock.nowMs };
    rig.turns.runInSteps(makeSender(), makeJob(rig, 'greedy', [500, 1, 1]));
    rig.turns.run(modest, rig.decode('small of modest', 1));
    await turn();
    expect(rig.done).toEqual(['greedy0', 'small of modest']);
    expect(rig.turns.waiting).toBe(1);
    await turn();
    expect(rig.done.at(-1)).toBe('greedy1');
  });

  test('keeps no small body of another sender waiting', () => {
    const rig = makeRig();
    rig.turns.runInSteps(makeSender(), makeJob(rig, 'greedy', [500, 500]));
    rig.turns.run(makeSender(), rig.decode('good', 1));
    expect(rig.done).toEqual(['greedy0', 'good']);
  });

  test('ends where it throws, and the next one begins', async () => {
    const rig = makeRig();
    const sender: KernelCost = { kernelMs: 1000, kernelAtMs: rig.clock.nowMs };
    const fails: Steps<string> = (function* () {
      yield;
      throw new Error('no room');
    })();
    rig.turns.runInSteps(sender, { ...makeJob(rig, 'a', []), steps: fails });
    rig.turns.runInSteps(sender, makeJob(rig, 'b', [1]));
    for (let i = 0; i < 3; i += 1) await turn();
    expect(rig.done).toEqual(['a failed', 'b0', 'b done']);
  });

  test('takes no further step when nobody wants it any more', async () => {
    const rig = makeRig();
    let isWanted = true;
    rig.turns.runInSteps(makeSender(), { ...makeJob(rig, 'a', [50, 50]), isWanted: () => isWanted });
    isWanted = false;
    await turn();
    await turn();
    expect(rig.done).toEqual(['a0']);
    expect(rig.turns.waiting).toBe(0);
  });
});
