import { expect, test } from 'vitest';
import { encodeBody } from '../../support/parcels.ts';
import { encodeHistogram } from '../../support/sandbox-request.ts';
import { HEADERS, send, SERIES, startReceiver } from '../../support/receiving.ts';
import { LedgerSender } from '../../support/sending.ts';

test('each address has its requests, samples and last answer, for as long as it has a connection', async () => {
  const { port, route } = await startReceiver();
  const sender = new LedgerSender(`http://127.0.0.1:${port}/api/v1/write`, { name: 'one' });
  await sender.send(sender.makeSeries(10, 2));
  await sender.send(sender.makeSeries(5));
  const counted = { address: '127.0.0.1', connections: 1, requests: 2, samples: 25, lastStatus: 204, lastRefusal: '' };
  expect([...route.senders()]).toMatchObject([{ ...counted, isolatedAtMs: -Infinity }]);
  expect((await send(port, '/api/v1/write', Buffer.from('not snappy'), HEADERS)).status).toBe(400);
  const refusal = { requests: 3, samples: 25, lastStatus: 400, lastRefusal: expect.stringContaining('snappy') };
  expect([...route.senders()]).toMatchObject([refusal]);
  await send(port, '/api/v1/write', encodeBody(SERIES), HEADERS);
  expect([...route.senders()]).toMatchObject([{ requests: 4, samples: 27, lastStatus: 204 }]);
  sender.close();
  await expect.poll(() => [...route.senders()]).toEqual([]);
});

test("histograms count among a sender's samples, and exemplars and metadata do not", async () => {
  const { port, route } = await startReceiver();
  const sender = new LedgerSender(`http://127.0.0.1:${port}/api/v1/write`, { name: 'one' });
  const histograms = [encodeHistogram(1000), encodeHistogram(2000), encodeHistogram(3000)];
  const series = { labels: { __name__: 'h' }, samples: [[1000, 1n] as const], histograms };
  await sender.send([series], [{ family: 'h', type: 5, help: 'a histogram' }]);
  expect([...route.senders()]).toMatchObject([{ requests: 1, samples: 4, lastStatus: 204 }]);
  sender.close();
});
