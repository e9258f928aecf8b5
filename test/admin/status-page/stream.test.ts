import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { MAX_PAGES, MAX_PAGES_OF_ADDRESS, Stream } from '../../../src/admin/status-page/stream.ts';
import { until } from '../../support/processes.ts';
import { startPair } from '../../support/proxy.ts';

test('the number of connected pages is bounded; the next one is told to come back, and gets in when one has left', async () => {
  const { proxy } = await startPair();
  const url = `${proxy.adminUrl}/status/stream`;
  const pages = await Promise.all(
    Array.from({ length: MAX_PAGES }, async (_, index) => open(url, `127.0.0.${2 + (index % 2)}`)),
  );
  expect(pages.map(({ statusCode }) => statusCode)).toEqual(pages.map(() => 200));
  const refused = await open(url);
  expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '10']);
  pages[0]?.destroy();
  await until('there is room again', async () => {
    const page = await open(url);
    return page.statusCode === 200;
  });
});

test('one address may have half of the pages, so that others can connect too', async () => {
  const { proxy } = await startPair();
  const url = `${proxy.adminUrl}/status/stream`;
  await Promise.all(Array.from({ length: MAX_PAGES_OF_ADDRESS }, async () => open(url)));
  expect((await open(url)).statusCode).toBe(503);
  expect((await open(url, '127.0.0.2')).statusCode).toBe(200);
});

test('a page is told the history, then the status every second', async () => {
  const { proxy } = await startPair();
  const page = await open(`${proxy.adminUrl}/status/stream`);
  expect(page.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  let text = '';
  page.setEncoding('utf8').on('data', (part: string) => (text += part));
  await until('three snapshots are there', () => text.split('event: status\n').length > 3);
  expect(text).toMatch(/^retry: \d+\n\nevent: history\ndata: \{.*\}\n\nevent: status\ndata: \{/);
});

test('shutting down does not wait for pages', async () => {
  const { proxy } = await startPair();
  const page = await open(`${proxy.adminUrl}/status/stream`);
  page.resume();
  const startedAtMs = performance.now();
  await proxy.child.stop();
  expect(performance.now() - startedAtMs).toBeLessThan(5_000);
});

test('a page that does not read is let go', async () => {
  const stream = new Stream();
  const served: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    served.push(response);
    stream.tryAdd(response, {});
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const page = await open(`http://127.0.0.1:${address.port}/`);
  page.pause();
  expect(stream.pages).toBe(1);
  const filler = 'x'.repeat(1 << 20);
  for (let told = 0; told < 40 && stream.pages > 0; told += 1) {
    stream.tellAll('status', filler);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until('it is gone', () => stream.pages === 0);
  expect(served[0]?.destroyed).toBe(true);
});

async function open(url: string, localAddress = '127.0.0.1'): Promise<IncomingMessage> {
  const request = get(url, { agent: false, localAddress });
  request.on('error', () => undefined);
  onTestFinished(() => void request.destroy());
  return new Promise((resolve, reject) => {
    request.once('response', (response) => {
      response.on('error', () => undefined);
      resolve(response);
    });
    request.once('error', reject);
  });
}
