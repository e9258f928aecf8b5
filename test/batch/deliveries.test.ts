import { expect, test } from 'vitest';
import { Batcher } from '../../src/batch/batcher.ts';
import type { Lane } from '../../src/send/lane.ts';
import { uniqueKey } from '../../src/parcel/merge-key.ts';
import { Deliveries } from '../../src/batch/deliveries.ts';
import { DeliveryScene } from '../support/delivering.ts';
import { makeParcel } from '../support/parcels.ts';

const WAIT_MS = 50;

interface Rig {
  readonly deliveries: Deliveries;
  readonly scene: DeliveryScene;
  readonly batcher: Batcher;
}

function makeRig(): Rig {
  const scene = new DeliveryScene();
  const batcher = new Batcher(scene.queue, { maxSamples: 100, maxBytes: 1_000_000 }, WAIT_MS);
  return { deliveries: new Deliveries(batcher, scene.retryQueue, scene.deps), scene, batcher };
}

/** Tells whether the next five that are taken are retries, when there are three of either. */
function takeFive({ deliveries, scene, batcher }: Rig, lane: Lane): string[] {
  const kind = { shared: 'unmergeable', suspect: 'unproven', isolated: 'isolated' } as const;
  const retries = Array.from({ length: 3 }, () => scene.delivery([makeParcel()], lane));
  for (const retry of retries) {
    retry.dueAtMs = 0;
    deliveries.putBack(retry);
  }
  for (let count = 0; count < 3; count += 1) batcher.tryAdd(makeParcel({ mergeKey: uniqueKey(kind[lane]) }), 0);
  return Array.from({ length: 5 }, () => {
    const delivery = deliveries.tryTake(lane, 1, false);
    if (delivery === undefined) return 'none';
    expect(delivery.lane).toBe(lane);
    return retries.includes(delivery) ? 'retry' : 'new';
  });
}

test('retries go before new batches in the shared lane', () => {
  expect(takeFive(makeRig(), 'shared')).toEqual(['retry', 'retry', 'retry', 'new', 'new']);
});

test.each(['suspect', 'isolated'] as const)(
  'new batches and retries take turns in the %s lane, so that endless retries keep no sender out',
  (lane) => {
    expect(takeFive(makeRig(), lane)).toEqual(['retry', 'new', 'retry', 'new', 'retry']);
  },
);

test('a lane gives a batch of the other kind when none of the kind whose turn it is waits', () => {
  const { deliveries, scene, batcher } = makeRig();
  for (let count = 0; count < 2; count += 1) deliveries.putBack(scene.delivery([makeParcel()], 'isolated'));
  expect(deliveries.tryTake('isolated', 1, false)).toBeDefined();
  expect(deliveries.tryTake('isolated', 1, false)).toBeDefined();
  for (let count = 0; count < 2; count += 1) batcher.tryAdd(makeParcel({ mergeKey: uniqueKey('isolated') }), 0);
  expect(deliveries.tryTake('isolated', 1, false)).toBeDefined();
  expect(deliveries.tryTake('isolated', 1, false)).toBeDefined();
  expect(deliveries.tryTake('isolated', 1, false)).toBeUndefined();
});

test('a lane is due when the first of its retries or of its batches is', () => {
  const { deliveries, scene, batcher } = makeRig();
  expect(deliveries.nextDueAtMs('shared')).toBeUndefined();
  batcher.tryAdd(makeParcel(), 0);
  expect(deliveries.nextDueAtMs('shared')).toBe(WAIT_MS);
  const retry = scene.delivery([makeParcel()]);
  retry.dueAtMs = 20;
  deliveries.putBack(retry);
  expect(deliveries.nextDueAtMs('shared')).toBe(20);
  deliveries.tryTake('shared', 20, false);
  expect(deliveries.nextDueAtMs('shared')).toBe(WAIT_MS);
});
