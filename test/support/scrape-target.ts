/** A page for a Prometheus to scrape, written anew for each scrape. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { onTestFinished } from 'vitest';

export const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
export const PLAIN_METRICS = 'text/plain; version=0.0.4';

/** @param page is told how many scrapes came before @returns host:port; it ends with the test */
export async function startScrapeTarget(contentType: string, page: (scrapes: number) => string): Promise<string> {
  let scrapes = 0;
  const server = createServer((_request, response) => {
    response.setHeader('content-type', contentType).end(page(scrapes));
    scrapes += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the target has no port');
  return `127.0.0.1:${address.port}`;
}
