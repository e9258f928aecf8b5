/** Every row of the outcome table that is a status of the upstream: what senders are told, and that nothing is lost. */
import { expect, test } from 'vitest';
import type { FaultSpec } from '../../src/dev/sandbox/faults.ts';
import { expectPromisesKept, isAccepted, isRefused, startScene } from '../support/scene.ts';
import { sleep } from '../support/processes.ts';

type StatusAction = Extract<FaultSpec['action'], { kind: 'status' }>;

function answer(status: number, more: Partial<StatusAction> = {}): FaultSpec {
  return { action: { kind: 'status', status, body: `told to answer ${status}`, ...more } };
}

const FOR_A_WHILE: readonly { readonly name: string; readonly fault: FaultSpec; readonly status: number }[] = [
  { name: '500', fault: answer(500), status: 500 },
  { name: '503 without Retry-After', fault: answer(503), status: 503 },
  { name: '503 with Retry-After in seconds', fault: answer(503, { retryAfter: 1 }), status: 503 },
  { name: '503 with Retry-After as a date', fault: answer(503, { retryAfter: 'date:2' }), status: 503 },
  { name: '429 without Retry-After', fault: answer(429), status: 429 },
  { name: '429 with Retry-After in seconds', fault: answer(429, { retryAfter: 1 }), status: 429 },
  { name: '429 with Retry-After as a date', fault: answer(429, { retryAfter: 'date:2' }), status: 429 },
  { name: '429 with a Retry-After beyond all patience', fault: answer(429, { retryAfter: 3600 }), status: 429 },
  { name: '408', fault: answer(408), status: 408 },
  { name: '403', fault: answer(403), status: 403 },
  { name: '401', fault: answer(401), status: 401 },
  { name: '404', fault: answer(404), status: 404 },
  { name: '502 of a load balancer', fault: answer(502, { headers: { 'content-type': 'text/html' } }), status: 502 },
  {
    name: '302, which is not followed',
    fault: answer(302, { headers: { location: 'http://127.0.0.1:9/elsewhere' } }),
    status: 302,
  },
];

/** `expectPromisesKept` sees to it that nobody is told anything but 204 and 503. */
test.each(FOR_A_WHILE)(
  'hides $name from senders: 503 and Retry-After until it is over, then all of it arrives',
  async ({ fault, status }) => {
    const scene = await startScene({ deliveryTimeoutMs: 800 });
    await scene.under([fault], 1, isRefused);
    await expectPromisesKept(scene);
    expect(await scene.upstreamResponses(String(status))).toBeGreaterThan(0);
  },
);

test.each([500, 503, 429, 403, 413])('a single %i in between is not noticed by any sender', async (status) => {
  const scene = await startScene();
  scene.load();
  await scene.answers(3, isAccepted);
  await scene.client.addFaults({ ...answer(status), times: 1 });
  await scene.answers(5);
  await expectPromisesKept(scene);
  expect(new Set(scene.senders.flatMap(({ statuses }) => statuses))).toEqual(new Set([204]));
  expect(await scene.upstreamResponses(String(status))).toBe(1);
});

test('tells a 400 to the one of three senders that earned it, and never sends the others with it again', async () => {
  const scene = await startScene();
  const bad = { ...answer(400), label: { name: 'sender', value: 'two' } };
  await scene.client.addFaults({ action: { kind: 'delay', ms: 20 } }, bad);
  scene.load();
  const [one, two, three] = scene.senders;
  if (one === undefined || two === undefined || three === undefined) throw new Error('three senders');
  await scene.answers(6, undefined, [two]);
  const seenBefore = await scene.upstreamResponses('400');
  await scene.answers(10, isAccepted, [one, three]);
  await scene.answers(5, undefined, [two]);
  const log = await scene.client.requests();
  await scene.client.clearFaults();
  await expectPromisesKept(scene, [400]);

  expect(new Set([...one.statuses, ...three.statuses])).toEqual(new Set([204]));
  expect(two.statuses.slice(0, 6)).toEqual([400, 400, 400, 400, 400, 400]);
  expect(two.requests[0]?.answer?.text).toBe('told to answer 400\n');
  expect(seenBefore).toBeGreaterThan(0);
  // Once a joined batch had to be taken apart; from then on the culprit goes alone.
  const mixed = log.filter(({ seriesKeys }) => hasSender(seriesKeys, 'two') && seriesKeys.some(isOfOthers));
  expect(mixed.length).toBeLessThanOrEqual(2);
});

test('tells a 400 for all to all of them, each for its own request', async () => {
  const scene = await startScene();
  await scene.under([answer(400, { body: 'nobody may' })], 3, (status) => status === 400);
  await expectPromisesKept(scene, [400]);
  for (const { requests } of scene.senders) {
    const refused = requests.filter(({ answer: told }) => told?.status === 400);
    expect(refused.length).toBeGreaterThanOrEqual(3);
    for (const { answer: told } of refused) expect(told?.text).toBe('nobody may\n');
  }
});

test('cuts what the upstream finds too large, and tells 413 only for a single series that cannot be cut', async () => {
  const scene = await startScene();
  await scene.client.changeRules({ maxRequestBytes: 600 });
  const [sender] = scene.senders;
  if (sender === undefined) throw new Error('a sender');
  expect(await sender.send(sender.makeSeries(100))).toMatchObject({ status: 204, text: '' });
  // A label of 2000 characters that do not compress.
  const noise = Array.from({ length: 500 }, (_, index) => ((index + 1) * 2_654_435_761).toString(36)).join('');
  const huge = sender.makeSeries(1).map((one) => ({ ...one, labels: { ...one.labels, noise } }));
  expect(await sender.send(huge)).toMatchObject({ status: 413, text: expect.stringMatching(/single series/) });
  await scene.client.changeRules({ maxRequestBytes: 1_000_000 });
  await expectPromisesKept(scene, [413]);
});

test("backs off for as long as the upstream's Retry-After says, even if that exceeds every deadline", async () => {
  const scene = await startScene({ queue: { min_shards: 4 } });
  scene.load();
  await scene.answers(2, isAccepted);
  await scene.client.addFaults(answer(429, { retryAfter: 60 }));
  await scene.answers(1, isRefused);
  const before = await scene.upstreamResponses('429');
  await sleep(2_000);
  const during = (await scene.upstreamResponses('429')) - before;
  await scene.client.clearFaults();
  await expectPromisesKept(scene);
  // Three senders try again every 100 ms; a probe now and then is in order.
  expect(during, 'requests in 2 s to an upstream that asked for 60 s of peace').toBeLessThanOrEqual(10);
});

function hasSender(seriesKeys: readonly string[], name: string): boolean {
  return seriesKeys.some((key) => key.includes(`sender="${name}"`));
}

function isOfOthers(seriesKey: string): boolean {
  return !seriesKey.includes('sender="two"');
}
