/**
 * A clock that is ten minutes wrong. What a signature knows of is the difference between the two clocks, so the
 * sandbox's is the one that is set.
 */
import { expect, test } from 'vitest';
import { expectPromisesKept, isAccepted, startScene } from '../support/scene.ts';
import { startSandboxProcess } from '../support/proxy.ts';
import { irsaEnvironment, makeTokenFile } from '../support/web-identity.ts';

const TEN_MINUTES_MS = 600_000;

test.each([TEN_MINUTES_MS, -TEN_MINUTES_MS])(
  'is corrected by the upstream, unseen by senders (%i ms)',
  async (offsetMs) => {
    const scene = await startScene();
    await scene.client.setClockOffset(offsetMs);
    scene.load();
    await scene.answers(5);
    await expectPromisesKept(scene);
    expect(new Set(scene.senders.flatMap(({ statuses }) => statuses))).toEqual(new Set([204]));
    expect(await scene.upstreamResponses('403'), 'one refusal teaches it').toBeLessThanOrEqual(3);
    const metrics = await scene.proxy.metrics();
    expect(Math.abs(metrics.sum('amp_write_proxy_clock_skew_seconds') - offsetMs / 1000)).toBeLessThan(10);
  },
);

test('follows a clock that is set right again', async () => {
  const scene = await startScene();
  for (const offsetMs of [TEN_MINUTES_MS, 0, -TEN_MINUTES_MS, TEN_MINUTES_MS, 0]) {
    await scene.client.setClockOffset(offsetMs);
    for (const sender of scene.senders) {
      expect(await sender.deliver(sender.makeSample(3, Date.now()))).toMatchObject({ status: 204 });
    }
  }
  await expectPromisesKept(scene);
  expect(new Set(scene.senders.flatMap(({ statuses }) => statuses))).toEqual(new Set([204]));
  expect((await scene.proxy.metrics()).sum('amp_write_proxy_clock_skew_seconds')).toBe(0);
});

test.each([TEN_MINUTES_MS, -TEN_MINUTES_MS])('does not keep it from assuming its roles (%i ms)', async (offsetMs) => {
  const sandbox = await startSandboxProcess();
  await sandbox.client.setClockOffset(offsetMs);
  const token = await makeTokenFile(sandbox);
  await token.issue();
  const scene = await startScene({
    sandbox,
    entry: { sigv4: { region: sandbox.region, role_arn: 'arn:aws:iam::210987654321:role/writer' } },
    proxy: { env: irsaEnvironment(sandbox, token) },
  });
  scene.load();
  await scene.answers(3, isAccepted);
  await expectPromisesKept(scene);
  expect(new Set(scene.senders.flatMap(({ statuses }) => statuses))).toEqual(new Set([204]));
});

test('is corrected without waiting for an STS that hangs', async () => {
  const sandbox = await startSandboxProcess();
  const token = await makeTokenFile(sandbox);
  await token.issue();
  const scene = await startScene({
    sandbox,
    entry: { sigv4: { region: sandbox.region } },
    proxy: { env: irsaEnvironment(sandbox, token) },
  });
  // The proxy asks STS again after a refusal when it last did so over 5 s ago.
  await new Promise((resolve) => setTimeout(resolve, 5_200));
  await sandbox.client.setClockOffset(TEN_MINUTES_MS);
  await sandbox.client.addFaults({ target: 'sts', action: { kind: 'hang' } });
  scene.load();
  await scene.answers(2);
  expect(new Set(scene.senders.flatMap(({ statuses }) => statuses.filter((status) => status >= 0)))).toEqual(
    new Set([204]),
  );
  await sandbox.client.clearFaults();
  await expectPromisesKept(scene);
});

test('takes a Retry-After that is a date by the clock of who wrote it', async () => {
  const scene = await startScene();
  // Ahead of ours: the date is ten minutes off by our own clock, and a second by the upstream's.
  await scene.client.setClockOffset(TEN_MINUTES_MS);
  const [sender] = scene.senders;
  expect(await sender?.deliver(sender.makeSeries(3))).toMatchObject({ status: 204 });
  await scene.client.addFaults({ action: { kind: 'status', status: 429, retryAfter: 'date:1' }, times: 1 });
  expect(await sender?.send(sender.makeSeries(3))).toMatchObject({ status: 204, text: '' });
  await expectPromisesKept(scene);
});
