import { expect, test } from 'vitest';
import type { Lane } from '../../src/send/lane.ts';
import type { Parcel } from '../../src/parcel/parcel.ts';
import type { BatchDelivery } from '../../src/send/batch-delivery.ts';
import type { Outcome } from '../../src/outcome/outcome.ts';
import { DeliveryScene } from '../support/delivering.ts';
import { makeConnection, makeParcel } from '../support/parcels.ts';

const GONE: Outcome = { kind: 'refused', reason: 'sender_gone', message: '' };

/** Adds a delivery that is due at `dueAtMs`. */
function wait(
  scene: DeliveryScene,
  dueAtMs: number,
  parcels: readonly Parcel[] = [makeParcel()],
  lane: Lane = 'shared',
): BatchDelivery {
  const delivery = scene.delivery(parcels, lane);
  delivery.dueAtMs = dueAtMs;
  scene.retryQueue.add(delivery);
  return delivery;
}

function takeSuspects({ retryQueue }: DeliveryScene, count: number): BatchDelivery[] {
  const taken: BatchDelivery[] = [];
  for (let left = count; left > 0; left -= 1) {
    const delivery = retryQueue.tryTake('suspect', 1);
    if (delivery !== undefined) taken.push(delivery);
  }
  return taken;
}

test('gives each delivery when its time has come, the earliest first, and then no more', () => {
  const scene = new DeliveryScene();
  const [late, early, middle] = [300, 100, 200].map((dueAtMs) => wait(scene, dueAtMs));
  const { retryQueue } = scene;
  expect(retryQueue.tryTake('shared', 99)).toBeUndefined();
  expect(retryQueue.nextDueAtMs('shared')).toBe(100);
  expect(retryQueue.tryTake('shared', 100)).toBe(early);
  expect(retryQueue.nextDueAtMs('shared')).toBe(200);
  expect(retryQueue.tryTake('shared', 199)).toBeUndefined();
  expect(retryQueue.tryTake('shared', 400)).toBe(late);
  expect(retryQueue.tryTake('shared', 400)).toBe(middle);
  expect(retryQueue.tryTake('shared', 400)).toBeUndefined();
  expect(retryQueue.nextDueAtMs('shared')).toBeUndefined();
});

test('gives a delivery to its own lane only', () => {
  const scene = new DeliveryScene();
  const isolated = wait(scene, 0, [makeParcel()], 'isolated');
  const { retryQueue } = scene;
  for (const lane of ['shared', 'suspect'] as const) {
    expect(retryQueue.nextDueAtMs(lane)).toBeUndefined();
    expect(retryQueue.tryTake(lane, 1)).toBeUndefined();
  }
  expect(retryQueue.tryTake('isolated', 1)).toBe(isolated);
});

test('gives the suspect delivery first whose connection delivered last', () => {
  const scene = new DeliveryScene();
  const ofOne = (deliveredAtMs: number): BatchDelivery =>
    wait(scene, 0, [makeParcel({ connection: { ...makeConnection(), deliveredAtMs } })], 'suspect');
  const all = [-Infinity, 10, 20].map(ofOne);
  expect(takeSuspects(scene, 3).map((delivery) => all.indexOf(delivery))).toEqual([2, 1, 0]);
});

test('suspect deliveries whose connections never delivered go in the order in which they came', () => {
  const scene = new DeliveryScene();
  const all = Array.from({ length: 10 }, () => wait(scene, 0, [makeParcel()], 'suspect'));
  const taken = takeSuspects(scene, 5);
  for (let count = 0; count < 5; count += 1) all.push(wait(scene, 0, [makeParcel()], 'suspect'));
  taken.push(...takeSuspects(scene, 10));
  expect(taken.map((delivery) => all.indexOf(delivery))).toEqual(all.map((_delivery, at) => at));
});

test('keeps the order of suspect deliveries though a connection delivers meanwhile', () => {
  const scene = new DeliveryScene();
  const connections = Array.from({ length: 7 }, (_, at) => ({ ...makeConnection(), deliveredAtMs: at }));
  const all = connections.map((connection) => wait(scene, 0, [makeParcel({ connection })], 'suspect'));
  expect(scene.retryQueue.tryTake('suspect', 1)).toBe(all[6]);
  for (const connection of connections) connection.deliveredAtMs = 100 - connection.deliveredAtMs;
  expect(takeSuspects(scene, 6).map((delivery) => all.indexOf(delivery))).toEqual([5, 4, 3, 2, 1, 0]);
});

test('counts what waits, also against the capacity of the queue, until it is taken', () => {
  const scene = new DeliveryScene();
  wait(scene, 0, [makeParcel({ samples: 3, sender: 'a' }), makeParcel({ samples: 4, histograms: 2, sender: 'b' })]);
  const { retryQueue, queue } = scene;
  expect([retryQueue.batches, retryQueue.samples, queue.capacityUsed, queue.parcels]).toEqual([1, 9, 9, 2]);
  retryQueue.tryTake('shared', 1);
  expect([retryQueue.batches, retryQueue.samples, queue.capacityUsed, queue.parcels]).toEqual([0, 0, 0, 0]);
});

test('does not count a parcel that was settled before its batch began to wait', () => {
  const scene = new DeliveryScene();
  const gone = makeParcel({ samples: 5 });
  gone.trySettle(GONE);
  wait(scene, 0, [gone, makeParcel({ samples: 2 })]);
  expect([scene.retryQueue.samples, scene.queue.capacityUsed]).toEqual([2, 2]);
  scene.retryQueue.tryTake('shared', 1);
  expect([scene.retryQueue.samples, scene.queue.capacityUsed]).toEqual([0, 0]);
});

test('a parcel that is settled while it waits gives back its place and its body at once', () => {
  const scene = new DeliveryScene();
  const [gone, stays] = [makeParcel({ samples: 5 }), makeParcel({ samples: 2 })];
  const delivery = wait(scene, 0, [gone, stays]);
  const { retryQueue, queue } = scene;
  gone.trySettle(GONE);
  expect([retryQueue.batches, retryQueue.samples, queue.capacityUsed]).toEqual([1, 2, 2]);
  expect(() => gone.body).toThrow('its memory was released');
  expect(stays.body).toHaveLength(10);
  expect(retryQueue.tryTake('shared', 1)).toBe(delivery);
  expect(delivery.pending()).toEqual([stays]);
});

test('a delivery ends with the last of its parcels and is not given any more', () => {
  const scene = new DeliveryScene();
  const parcels = [makeParcel(), makeParcel()];
  const delivery = wait(scene, 0, parcels);
  for (const parcel of parcels) parcel.trySettle(GONE);
  const { retryQueue, queue } = scene;
  expect([delivery.state, retryQueue.batches, retryQueue.samples, queue.capacityUsed]).toEqual(['ended', 0, 0, 0]);
  expect(retryQueue.nextDueAtMs('shared')).toBeUndefined();
  expect(retryQueue.tryTake('shared', 1)).toBeUndefined();
});

test('a delivery that was due and has ended meanwhile does not hide the next', () => {
  const scene = new DeliveryScene();
  const [first, gone] = [wait(scene, 0), makeParcel()];
  wait(scene, 0, [gone]);
  const later = wait(scene, 500);
  const { retryQueue } = scene;
  expect(retryQueue.tryTake('shared', 1)).toBe(first);
  gone.trySettle(GONE);
  expect(retryQueue.nextDueAtMs('shared')).toBe(500);
  expect(retryQueue.tryTake('shared', 500)).toBe(later);
});

test.each([
  ['earlier', 100],
  ['later', 900],
])('a delivery whose time is made %s is given at that time, once', (_what, dueAtMs) => {
  const scene = new DeliveryScene();
  const delivery = wait(scene, 500);
  const { retryQueue } = scene;
  delivery.dueAtMs = dueAtMs;
  retryQueue.reschedule(delivery);
  expect(retryQueue.nextDueAtMs('shared')).toBe(dueAtMs);
  expect(retryQueue.tryTake('shared', dueAtMs - 1)).toBeUndefined();
  expect(retryQueue.tryTake('shared', dueAtMs)).toBe(delivery);
  expect(retryQueue.tryTake('shared', 10_000)).toBeUndefined();
  expect([retryQueue.batches, scene.queue.capacityUsed]).toEqual([0, 0]);
});

test('a delivery that does not wait is not rescheduled', () => {
  const scene = new DeliveryScene();
  scene.retryQueue.reschedule(scene.delivery([makeParcel()]));
  expect(scene.retryQueue.nextDueAtMs('shared')).toBeUndefined();
});

test('wake makes all deliveries of all lanes due now, once each', () => {
  const scene = new DeliveryScene();
  const { retryQueue } = scene;
  const lanes = ['shared', 'suspect', 'isolated'] as const;
  const waiting = lanes.map((lane) => wait(scene, 5000, [makeParcel()], lane));
  const due = wait(scene, 10);
  retryQueue.wake(100);
  expect(lanes.map((lane) => retryQueue.nextDueAtMs(lane))).toEqual([10, 100, 100]);
  expect(retryQueue.tryTake('shared', 100)).toBe(due);
  for (const [at, lane] of lanes.entries()) expect(retryQueue.tryTake(lane, 100)).toBe(waiting[at]);
  expect(lanes.map((lane) => retryQueue.tryTake(lane, 9000))).toEqual([undefined, undefined, undefined]);
  expect([retryQueue.batches, scene.queue.capacityUsed]).toEqual([0, 0]);
});
