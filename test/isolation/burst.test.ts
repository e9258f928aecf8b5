/** A batch that is larger than the upstream's burst gets in after it is made smaller. */
import { expect, onTestFinished, test } from 'vitest';
import {
  entryFor,
  expectLedgerBalanced,
  startProxy,
  startSandboxProcess,
  type ProxyProcess,
} from '../support/proxy.ts';
import { LedgerSender } from '../support/sending.ts';
import { stretched } from '../support/slowness.ts';

const RATE = 1_000;
const BURST = 2_000;
/** Three requests of 1500 samples and one more sample take 2.5 s of the rate at the least; a lone 4500 as much. */
const TIMEOUT_MS = 60_000;

async function startScene(): Promise<{
  proxy: ProxyProcess;
  senders: LedgerSender[];
  throttleAfter: () => Promise<void>;
}> {
  const sandbox = await startSandboxProcess();
  const proxy = await startProxy({ remoteWrite: [entryFor(sandbox)] });
  const senders = [1, 2, 3, 4].map(
    (index) => new LedgerSender(proxy.writeUrl, { name: `sender-${index}`, localAddress: `127.0.5.${index}` }),
  );
  onTestFinished(() => {
    for (const sender of senders) sender.close();
  });
  const throttleAfter = async (): Promise<void> => {
    await sandbox.client.changeRules({ ingestionRateSamples: RATE, ingestionBurstSamples: BURST });
    // The first request keeps the only shard busy for so long, so that the others are joined behind it.
    await sandbox.client.addFaults({ action: { kind: 'delay', ms: 500 }, times: 1 });
  };
  return { proxy, senders, throttleAfter };
}

test(
  'takes apart three requests that the burst admits one by one and never together',
  { timeout: stretched(TIMEOUT_MS) },
  async () => {
    const { proxy, senders, throttleAfter } = await startScene();
    await throttleAfter();
    const [first, ...others] = senders;
    if (first === undefined) throw new Error('four senders');
    const early = first.send(first.makeSeries(1));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const answers = await Promise.all(others.map(async (sender) => sender.send(sender.makeSeries(1_500))));
    expect((await early).status).toBe(204);
    expect(answers.map(({ status, text }) => `${status} ${text}`)).toEqual(['204 ', '204 ', '204 ']);
    await expectLedgerBalanced(proxy, { acknowledged: 4_501 });
  },
);

test('cuts a lone request that is larger than the burst', { timeout: stretched(TIMEOUT_MS) }, async () => {
  const { proxy, senders, throttleAfter } = await startScene();
  await throttleAfter();
  const [sender] = senders;
  if (sender === undefined) throw new Error('a sender');
  expect(await sender.send(sender.makeSeries(4_500))).toMatchObject({ status: 204, text: '' });
  await expectLedgerBalanced(proxy, { acknowledged: 4_500 });
});
