import { describe, expect, test } from 'vitest';
import type { Lane } from '../../src/send/lane.ts';
import type { Verdict } from '../../src/outcome/outcome.ts';
import { uniqueKey } from '../../src/parcel/merge-key.ts';
import type { Parcel } from '../../src/parcel/parcel.ts';
import { downOutcome, extraShards } from '../../src/send/upstream-health.ts';
import { BAD_DATA, DeliveryScene, failed, TAKEN, throttled, UNREACHABLE } from '../support/delivering.ts';
import { makeParcel, type ParcelShape } from '../support/parcels.ts';

const from = (sender: string, shape: ParcelShape = {}): Parcel => makeParcel({ sender, ...shape });

function learn(scene: DeliveryScene, verdict: Verdict, parcels: readonly Parcel[], lane: Lane = 'shared'): void {
  scene.health.learn(scene.delivery(parcels, lane), verdict);
}

/** Eight shards. */
function grown(): DeliveryScene {
  const scene = new DeliveryScene({ limits: { maxSamples: 2000, maxBytes: 1e6 } });
  for (let count = 0; count < 10; count += 1) learn(scene, TAKEN, [from('a')]);
  expect(scene.health.shards).toBe(8);
  return scene;
}

/** Six seconds of failures without an answer. */
function goDown(scene: DeliveryScene): void {
  for (let count = 0; count < 4; count += 1) {
    learn(scene, UNREACHABLE, [from('a')]);
    scene.nowMs += 2000;
  }
  expect(scene.health.isDown).toBe(true);
}

describe('a delivery', () => {
  test('of the shared lane adds a shard, one of another lane does not', () => {
    const scene = new DeliveryScene();
    learn(scene, TAKEN, [from('a')], 'suspect');
    learn(scene, TAKEN, [from('a')], 'isolated');
    expect(scene.health.shards).toBe(1);
    learn(scene, TAKEN, [from('a')]);
    expect(scene.health.shards).toBe(2);
  });

  test('of any lane is remembered with its time', () => {
    const scene = new DeliveryScene();
    expect(scene.health.deliveredAtMs).toBe(-Infinity);
    scene.nowMs = 1234;
    learn(scene, TAKEN, [from('a')], 'isolated');
    expect(scene.health.deliveredAtMs).toBe(1234);
    scene.nowMs = 2000;
    learn(scene, BAD_DATA, [from('a')]);
    expect(scene.health.deliveredAtMs).toBe(1234);
  });
});

describe('a throttled answer', () => {
  test('for samples halves the shards and makes batches smaller than the one it refused', () => {
    const scene = grown();
    learn(scene, throttled('samples'), [from('a', { samples: 1000 }), from('b', { samples: 200, histograms: 300 })]);
    expect([scene.health.shards, scene.health.maxSamples]).toEqual([4, 750]);
  });

  test.each(['requests', 'unknown'] as const)('for %s halves the shards and leaves batches as large', (throttle) => {
    const scene = grown();
    learn(scene, throttled(throttle), [from('a', { samples: 1000 })]);
    expect([scene.health.shards, scene.health.maxSamples]).toEqual([4, 2000]);
  });

  test('that was earned by an isolated request changes nothing', () => {
    const scene = grown();
    learn(scene, throttled('samples', 5000), [from('a', { samples: 1000 })], 'isolated');
    expect([scene.health.shards, scene.health.maxSamples]).toEqual([8, 2000]);
    expect(scene.health.rest.mayTake(scene.nowMs)).toBe(true);
  });

  test('makes all rest for as long as it asks, when there is no other sender', () => {
    const scene = grown();
    learn(scene, throttled('requests', 5000), [from('a')]);
    expect(scene.health.rest.untilMs).toBe(scene.nowMs + 5000);
  });

  test('makes nobody rest for longer than a sender waits', () => {
    const scene = grown();
    learn(scene, throttled('requests', 3_600_000), [from('a')]);
    expect(scene.health.rest.untilMs).toBe(scene.nowMs + 25_000);
  });

  test.each(['samples', 'requests', 'unknown'] as const)(
    'for %s makes all rest, and halves the shards, with the second of several senders only',
    (throttle) => {
      const scene = grown();
      for (const sender of ['a', 'b', 'c']) scene.health.arrived(from(sender), scene.nowMs);
      for (let count = 0; count < 5; count += 1) {
        learn(scene, throttled(throttle, 5000), [from('a', { samples: 1000 })]);
        scene.nowMs += 100;
      }
      expect(scene.health.rest.mayTake(scene.nowMs)).toBe(true);
      expect([scene.health.shards, scene.health.maxSamples]).toEqual([8, 2000]);
      learn(scene, throttled(throttle, 5000), [from('b')]);
      expect(scene.health.rest.untilMs).toBe(scene.nowMs + 5000);
      expect(scene.health.shards).toBe(4);
    },
  );

  test('of a second sender makes nobody rest when something was delivered in between', () => {
    const scene = grown();
    for (const sender of ['a', 'b', 'c']) scene.health.arrived(from(sender), scene.nowMs);
    learn(scene, throttled('unknown', 5000), [from('a')]);
    learn(scene, TAKEN, [from('c')]);
    learn(scene, throttled('unknown', 5000), [from('b')]);
    expect(scene.health.rest.mayTake(scene.nowMs)).toBe(true);
    expect(scene.health.shards).toBe(4);
  });
});

test('a failure without Retry-After and without a throttle makes nobody rest', () => {
  const scene = grown();
  for (const sender of ['a', 'b', 'c']) learn(scene, failed(), [from(sender)]);
  expect(scene.health.rest.mayTake(scene.nowMs)).toBe(true);
  expect(scene.health.shards).toBe(8);
});

describe('an upstream that is down', () => {
  test('is so after 5 s of failures that no data can cause, and says so once', () => {
    const scene = new DeliveryScene();
    goDown(scene);
    learn(scene, UNREACHABLE, [from('a')]);
    expect(scene.wentDown).toBe(1);
  });

  test.each([
    ['a delivery', TAKEN],
    ['a verdict on data', BAD_DATA],
    ['413', { kind: 'too_large', message: '' } as const],
    ['a throttle', throttled('requests')],
  ])('is up again with %s, whoever it was of', (_what, verdict) => {
    const scene = new DeliveryScene();
    goDown(scene);
    const probe = from('a');
    scene.health.beginProbing([probe]);
    learn(scene, verdict, [from('b')], 'isolated');
    expect([scene.health.isDown, scene.health.probes.has(probe)]).toEqual([false, false]);
  });

  test('makes nobody rest, so that the probes go on', () => {
    const scene = grown();
    learn(scene, throttled('requests', 20_000), [from('a')]);
    goDown(scene);
    scene.health.beginProbing([]);
    expect(scene.health.rest.mayTake(scene.nowMs)).toBe(true);
    learn(scene, failed(20_000), [from('a')]);
    learn(scene, failed(20_000), [from('b')]);
    expect(scene.health.rest.mayTake(scene.nowMs)).toBe(true);
  });

  test('is told to senders with the reason', () => {
    const scene = new DeliveryScene();
    goDown(scene);
    expect(downOutcome(scene.health)).toMatchObject({ kind: 'refused', reason: 'upstream_down' });
    expect(downOutcome(scene.health).message).toContain(scene.health.lastFailure);
  });
});

test('requests of connections that are isolated or unproven do not count as those of active senders', () => {
  const scene = new DeliveryScene();
  const good = from('a');
  scene.health.arrived(good, scene.nowMs);
  for (const kind of ['isolated', 'unproven'] as const) {
    for (let count = 0; count < 3; count += 1) {
      scene.health.arrived(from(kind, { mergeKey: uniqueKey(kind) }), scene.nowMs);
    }
  }
  // The only good sender is all there is.
  for (let count = 0; count < 4; count += 1) {
    learn(scene, failed(), [good]);
    scene.nowMs += 2000;
  }
  expect(scene.health.isDown).toBe(true);
});

test('one batch a second may be split without a delivery', () => {
  const { health } = new DeliveryScene();
  expect([0, 999, 1000, 1500, 2000].map((nowMs) => health.tryTakeApart(nowMs))).toEqual([
    true,
    false,
    true,
    false,
    true,
  ]);
});

test.each([
  ['suspect', 50, 13],
  ['isolated', 50, 7],
  ['suspect', 1, 1],
  ['isolated', 1, 1],
  ['suspect', 8, 2],
  ['isolated', 8, 1],
] as const)('the %s lane has of %d shards %d', (lane, maxShards, expected) => {
  expect(extraShards(lane, maxShards)).toBe(expected);
});
