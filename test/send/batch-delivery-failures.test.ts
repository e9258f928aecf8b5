/** The rules for attempts that fail, on a clock that the test moves. */
import { describe, expect, test } from 'vitest';
import { CredentialsMetrics } from '../../src/metrics/counts.ts';
import type { Verdict } from '../../src/outcome/outcome.ts';
import { uniqueKey } from '../../src/parcel/merge-key.ts';
import { credentialsSource } from '../../src/aws/credentials-source.ts';
import { Credentials } from '../../src/aws/credentials.ts';
import {
  BAD_DATA,
  DeliveryScene,
  failed,
  shapeOf,
  TAKEN,
  throttled,
  TIMED_OUT,
  UNREACHABLE,
} from '../support/delivering.ts';
import { makeConnection, makeRealParcel, type ParcelShape } from '../support/parcels.ts';
import type { Parcel } from '../../src/parcel/parcel.ts';
import type { BatchDelivery } from '../../src/send/batch-delivery.ts';

/** A request of one series, whose sender has the same name. */
const from = (name: string, shape: ParcelShape = {}): Parcel =>
  makeRealParcel([name], { sender: name, deadlineAtMs: 100_000, ...shape });

const other = from('other');

/** One attempt that brings this verdict; what goes on waits as it does between attempts. */
async function attempt(
  scene: DeliveryScene,
  delivery: BatchDelivery,
  verdict: Verdict,
): Promise<readonly BatchDelivery[]> {
  scene.answer = () => verdict;
  if (delivery.state === 'waiting') delivery.becomeReady();
  const next = await delivery.attempt();
  for (const each of next) each.becomeWaiting();
  scene.nowMs += 1;
  return next;
}

const isolationOf = ({ health, nowMs }: DeliveryScene, { connection, dedupKey }: Parcel): string | undefined =>
  health.isolated.isolationOf(connection, dedupKey, nowMs);

const make = (scene: DeliveryScene): BatchDelivery =>
  scene.delivery(['a', 'b', 'c', 'd', 'e'].map((name) => from(name)));

describe('a joined batch that fails in a way that may lie in its data', () => {
  test('goes on as it is after the first failure, in the suspect lane', async () => {
    const scene = new DeliveryScene();
    const batch = make(scene);
    scene.someoneElseDelivers(other);
    expect(await attempt(scene, batch, failed())).toEqual([batch]);
    expect(batch.lane).toBe('suspect');
    expect(batch.dueAtMs).toBe(1002 + 30);
  });

  test('goes on in halves after the second, when AMP has taken other data in between', async () => {
    const scene = new DeliveryScene();
    scene.health.tryTakeApart(scene.nowMs);
    const batch = make(scene);
    await attempt(scene, batch, failed());
    scene.someoneElseDelivers(other);
    const parts = await attempt(scene, batch, failed());
    expect(shapeOf(parts)).toEqual([
      ['suspect', ['a', 'b', 'c']],
      ['suspect', ['d', 'e']],
    ]);
    expect(parts.map(({ dueAtMs }) => dueAtMs)).toEqual([scene.nowMs - 1, scene.nowMs - 1]);
    expect([batch.state, scene.metrics.batchesTakenApart]).toEqual(['ended', 1]);
  });

  test('goes on as it is after the second, when AMP has taken nothing in between and another was taken apart just now', async () => {
    const scene = new DeliveryScene();
    scene.health.tryTakeApart(scene.nowMs);
    const batch = make(scene);
    await attempt(scene, batch, failed());
    scene.nowMs = 1998;
    expect(await attempt(scene, batch, failed())).toEqual([batch]);
    scene.nowMs = 2000;
    expect(await attempt(scene, batch, failed())).toHaveLength(2);
    expect(scene.health.tryTakeApart(2999)).toBe(false);
  });

  test('does not count what AMP took before the first attempt', async () => {
    const scene = new DeliveryScene();
    scene.someoneElseDelivers(other);
    scene.health.tryTakeApart(scene.nowMs);
    const batch = make(scene);
    for (let count = 0; count < 5; count += 1) expect(await attempt(scene, batch, failed())).toEqual([batch]);
  });

  test('goes on with each request alone after one timeout, when AMP has taken other data since it was sent', async () => {
    const scene = new DeliveryScene();
    scene.health.tryTakeApart(scene.nowMs);
    const batch = make(scene);
    scene.answer = () => {
      scene.someoneElseDelivers(other);
      return TIMED_OUT;
    };
    const parts = await batch.attempt();
    expect(shapeOf(parts)).toEqual(['a', 'b', 'c', 'd', 'e'].map((name) => ['suspect', [name]]));
  });

  test('stays whole after a timeout when AMP has taken nothing since it was sent and another was taken apart', async () => {
    const scene = new DeliveryScene();
    scene.health.tryTakeApart(scene.nowMs);
    const batch = make(scene);
    expect(await attempt(scene, batch, TIMED_OUT)).toEqual([batch]);
  });

  test('has halves that are taken apart at their first failure, until the culprit is alone', async () => {
    const scene = new DeliveryScene();
    const batch = make(scene);
    await attempt(scene, batch, failed());
    scene.someoneElseDelivers(other);
    let parts = await attempt(scene, batch, failed());
    const sizes: number[] = [];
    while ((parts[0]?.parcels.length ?? 0) > 1) {
      const [part] = parts;
      if (part === undefined) break;
      sizes.push(part.parcels.length);
      parts = await attempt(scene, part, failed());
    }
    expect(sizes).toEqual([3, 2]);
  });

  test('is split, and the requests whose connections delivered last go first', async () => {
    const scene = new DeliveryScene();
    const parcels = ['a', 'b', 'c'].map((name, at) =>
      from(name, { connection: { ...makeConnection(name), deliveredAtMs: at === 2 ? -Infinity : at } }),
    );
    expect(shapeOf(await attempt(scene, scene.delivery(parcels), BAD_DATA))).toEqual([
      ['suspect', ['b']],
      ['suspect', ['a']],
      ['suspect', ['c']],
    ]);
  });

  test('goes on in halves a second later when Retry-After asks for longer', async () => {
    const scene = new DeliveryScene();
    const parts = await attempt(scene, make(scene), throttled('unknown', 60_000));
    expect(parts.map(({ dueAtMs, parcels }) => [dueAtMs, parcels.length])).toEqual([
      [2000, 3],
      [2000, 2],
    ]);
  });
});

test('a joined batch goes on as it is for failures that no data can cause, in its lane', async () => {
  const scene = new DeliveryScene();
  const batch = scene.delivery([from('a'), from('b')]);
  for (let count = 0; count < 5; count += 1) {
    scene.someoneElseDelivers(other);
    expect(await attempt(scene, batch, UNREACHABLE)).toEqual([batch]);
  }
  expect(batch.lane).toBe('shared');
});

test('a joined batch that is throttled for its samples goes on in halves, when its wait is over', async () => {
  const scene = new DeliveryScene();
  const parts = await attempt(scene, scene.delivery([from('a'), from('b'), from('c')]), throttled('samples', 5000));
  expect(parts.map(({ dueAtMs, parcels }) => [dueAtMs, parcels.length])).toEqual([
    [6000, 2],
    [6000, 1],
  ]);
});

test('a joined batch that is throttled for its requests is not made smaller', async () => {
  const scene = new DeliveryScene();
  const batch = scene.delivery([from('a'), from('b')]);
  for (let count = 0; count < 4; count += 1) {
    scene.someoneElseDelivers(other);
    expect(await attempt(scene, batch, throttled('requests'))).toEqual([batch]);
  }
});

describe('a lone request of 1000 samples over the burst that AMP allows', () => {
  test.each(['samples', 'unknown'] as const)('gets in in pieces when it is throttled for %s', async (kind) => {
    const scene = new DeliveryScene({ limits: { maxSamples: 2000, maxBytes: 1_000_000 } });
    const names = Array.from({ length: 1000 }, (_, at) => `series_${at}`);
    const parcel = makeRealParcel(names, { deadlineAtMs: 100_000 });
    scene.answer = (sent) => (sent.length > 300 ? throttled(kind) : TAKEN);
    let next: readonly BatchDelivery[] = [scene.delivery([parcel])];
    for (let count = 0; count < 50 && next[0] !== undefined; count += 1) {
      if (next[0].state === 'waiting') next[0].becomeReady();
      next = await next[0].attempt();
      for (const each of next) each.becomeWaiting();
      scene.nowMs += 1000;
    }
    expect(parcel.outcome).toEqual({ kind: 'delivered', deduplicated: false });
    expect(scene.sent.filter((sent) => sent.length <= 300).flat()).toEqual(names);
    expect(scene.heldBytes).toBe(0);
  });

  test('is not cut below 100 samples', async () => {
    const scene = new DeliveryScene();
    const parcel = makeRealParcel(
      Array.from({ length: 198 }, (_, at) => `series_${at}`),
      { deadlineAtMs: 100_000 },
    );
    const delivery = scene.delivery([parcel]);
    await attempt(scene, delivery, throttled('samples'));
    await attempt(scene, delivery, throttled('samples'));
    expect(scene.sent.map(({ length }) => length)).toEqual([198, 198]);
  });
});

describe('a request alone that keeps failing', () => {
  test('is isolated with its third failure, when AMP took other data before the second and the third', async () => {
    const scene = new DeliveryScene();
    const parcel = from('culprit');
    const delivery = scene.delivery([parcel]);
    const seen: unknown[] = [];
    for (let count = 0; count < 3; count += 1) {
      await attempt(scene, delivery, failed());
      seen.push([delivery.lane, isolationOf(scene, parcel)]);
      scene.someoneElseDelivers(other);
    }
    expect(seen).toEqual([
      ['suspect', undefined],
      ['suspect', undefined],
      ['isolated', 'isolated'],
    ]);
  });

  test('is not isolated as long as AMP takes nothing else', async () => {
    const scene = new DeliveryScene();
    const parcel = from('culprit');
    const delivery = scene.delivery([parcel]);
    await attempt(scene, delivery, failed());
    scene.someoneElseDelivers(other);
    for (let count = 0; count < 10; count += 1) await attempt(scene, delivery, failed());
    expect([delivery.lane, isolationOf(scene, parcel)]).toEqual(['suspect', undefined]);
  });

  test('is isolated with its first timeout when AMP took other data since it was sent', async () => {
    const scene = new DeliveryScene();
    const parcel = from('culprit');
    const delivery = scene.delivery([parcel]);
    scene.answer = () => {
      scene.someoneElseDelivers(other);
      return TIMED_OUT;
    };
    await delivery.attempt();
    expect([delivery.lane, isolationOf(scene, parcel)]).toEqual(['isolated', 'isolated']);
  });

  test('is not isolated for failures that no data can cause', async () => {
    const scene = new DeliveryScene();
    const parcel = from('innocent');
    const delivery = scene.delivery([parcel]);
    for (let count = 0; count < 10; count += 1) {
      await attempt(scene, delivery, UNREACHABLE);
      scene.someoneElseDelivers(other);
    }
    expect([delivery.lane, isolationOf(scene, parcel)]).toEqual(['shared', undefined]);
  });

  test('is isolated by its timeout though its sender has gone by then', async () => {
    const scene = new DeliveryScene();
    const parcel = from('impatient');
    scene.answer = () => {
      scene.someoneElseDelivers(other);
      parcel.trySettle({ kind: 'refused', reason: 'sender_gone', message: '' });
      return TIMED_OUT;
    };
    expect(await scene.delivery([parcel]).attempt()).toEqual([]);
    expect(isolationOf(scene, parcel)).toBe('isolated');
  });

  test('stays isolated for five minutes after a later failure', async () => {
    const scene = new DeliveryScene();
    const parcel = from('culprit');
    scene.health.isolate(parcel);
    scene.nowMs += 200_000;
    await attempt(scene, scene.delivery([parcel], 'isolated'), failed());
    scene.nowMs += 299_000;
    expect(isolationOf(scene, parcel)).toBe('isolated');
  });
});

describe('failures of an isolated request', () => {
  test('do not declare the upstream down, make nobody rest and leave the shards as they are', async () => {
    const scene = new DeliveryScene();
    for (let count = 0; count < 5; count += 1) scene.someoneElseDelivers(other);
    const { shards } = scene.health;
    const delivery = scene.delivery([from('culprit')], 'isolated');
    const verdicts = [failed(), TIMED_OUT, throttled('unknown', 60_000), failed(10_000)];
    for (let count = 0; count < 40; count += 1) {
      await attempt(scene, delivery, verdicts[count % verdicts.length] ?? failed());
      scene.nowMs += 1000;
    }
    expect([scene.health.isDown, scene.wentDown, scene.health.shards]).toEqual([false, 0, shards]);
    expect(scene.health.rest.mayTake(scene.nowMs)).toBe(true);
  });

  test('of a connection that has yet to deliver a request do not count either', async () => {
    const scene = new DeliveryScene();
    const unproven = from('unproven', { mergeKey: uniqueKey('unproven') });
    const delivery = scene.delivery([unproven], 'suspect');
    for (let count = 0; count < 10; count += 1) {
      await attempt(scene, delivery, failed(2000));
      scene.nowMs += 1000;
    }
    expect(scene.health.isDown).toBe(false);
    expect(scene.health.rest.mayTake(scene.nowMs)).toBe(true);
  });
});

test('a joined batch is split into single requests without another attempt while the upstream is down', async () => {
  const scene = new DeliveryScene();
  const lone = scene.delivery([from('lone')]);
  for (let count = 0; count < 8; count += 1) {
    await attempt(scene, lone, UNREACHABLE);
    scene.nowMs += 1000;
  }
  expect(scene.health.isDown).toBe(true);
  scene.sent.length = 0;
  const parts = await attempt(scene, scene.delivery([from('a'), from('b')]), TAKEN);
  expect([parts.length, scene.sent]).toEqual([2, []]);
});

test('a refresh of credentials that ends after the next attempt does not bring the one after it forward', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let calls = 0;
  const identity = { accessKeyId: 'AKID', secretAccessKey: 'secret' };
  const provider = async (): Promise<typeof identity> => {
    calls += 1;
    await promise;
    return identity;
  };
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const credentials = new Credentials(
    () => provider,
    credentialsSource({}, {}),
    new CredentialsMetrics(),
    log,
    () => 1e12,
    () => 0,
  );
  const scene = new DeliveryScene({ credentials });
  const delivery = scene.delivery([from('a')]);
  await attempt(scene, delivery, { kind: 'unauthorized', code: '403', message: 'expired' });
  expect([delivery.dueAtMs, calls]).toEqual([2000, 1]);
  scene.nowMs = 2000;
  await attempt(scene, delivery, throttled('requests', 10_000));
  resolve();
  await credentials.refreshRefused();
  await new Promise(setImmediate);
  credentials.stop();
  expect(delivery.dueAtMs).toBe(12_000);
});
