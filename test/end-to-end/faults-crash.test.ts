/** P1: nothing acknowledged lives in the process. `kill -9` and SIGTERM come at any moment. */
import { expect, test } from 'vitest';
import { sleep } from '../support/processes.ts';
import { expectPromisesKept, isAccepted, startScene, THREE_SENDERS } from '../support/scene.ts';

const KILLS = 8;
/** Printed, so that a run can be repeated. */
const SEED = Number(process.env['FAULT_SEED'] ?? Date.now() % 100_000);

test(`loses nothing acknowledged by kill -9 at ${KILLS} moments under load (FAULT_SEED=${SEED})`, async () => {
  const scene = await startScene();
  // Long enough that a kill meets requests in every room; some have arrived when their answer is lost.
  await scene.client.addFaults(
    { action: { kind: 'delay', ms: 15 } },
    { action: { kind: 'delay', ms: 60 }, probability: 0.2, seed: SEED },
    { action: { kind: 'reset', at: 'after-body' }, apply: true, probability: 0.05, seed: SEED },
  );
  const random = seededRandom(SEED);
  scene.load();
  for (let kill = 0; kill < KILLS; kill += 1) {
    await scene.answers(2, isAccepted);
    await sleep(random() * 120);
    await scene.killAndRestart();
  }
  await scene.answers(2, isAccepted);
  await scene.client.clearFaults();
  // 0: the connection that the kill cut.
  const { acknowledged } = await expectPromisesKept(scene, [0]);
  expect(acknowledged).toBeGreaterThan(KILLS * 2 * THREE_SENDERS.length);
  expect(scene.senders.flatMap(({ statuses }) => statuses)).toContain(0);
});

test('loses nothing acknowledged by SIGTERM under load and a fault of the upstream, and tells nobody 4xx', async () => {
  const scene = await startScene();
  await scene.client.addFaults(
    { action: { kind: 'delay', ms: 30 } },
    { action: { kind: 'status', status: 500 }, probability: 0.3, seed: SEED },
  );
  scene.load();
  await scene.answers(3, isAccepted);
  scene.proxy.child.trySignal('SIGTERM');
  const { status } = await scene.proxy.child.ended();
  expect(status).toBe(0);
  await scene.killAndRestart();
  await scene.answers(2, isAccepted);
  await scene.client.clearFaults();
  await expectPromisesKept(scene, [0]);
});

/** mulberry32. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = Math.trunc(state + 0x6d2b79f5);
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
