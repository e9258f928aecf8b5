/**
 * The upstream of a row: an HTTP server in this process that stores what it is sent and fails every request that holds
 * a culprit's series. It reads bodies with the sandbox's decoder, which shares nothing with the data path.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { toBigInt } from '../../src/dev/sandbox/store.ts';
import { decodeWriteRequest, type DecodedSeries } from '../../src/dev/sandbox/write-request.ts';
import type { PoisonAnswer } from './answers.ts';

/** On the series of a culprit. */
export const POISON_LABEL = 'poison';

interface StoredSeries {
  readonly timestamps: Set<number>;
  newestMs: number;
}

/** refused: nobody listens. hang: requests are read and never answered, those of the outage not after its end either. */
export type Outage = 'refused' | '503' | 'hang';

export class PoisonUpstream {
  #server: Server;
  #port = 0;
  #outage: Outage | undefined;
  readonly #poison: PoisonAnswer | undefined;
  readonly #latencyMs: number;
  readonly #series = new Map<string, StoredSeries>();
  /** Requests without a culprit's series. */
  goodRequests = 0;
  /** Requests with a culprit's series only. */
  poisonedRequests = 0;
  /** Requests with a culprit's series and a good sender's. */
  mixedRequests = 0;
  /** New samples that were older than one that the series had. */
  disordered = 0;

  /** @param latencyMs how long it takes to answer a request that is not failed */
  constructor(poison: PoisonAnswer | undefined, latencyMs: number) {
    this.#poison = poison;
    this.#latencyMs = latencyMs;
    this.#server = this.#make();
  }

  /** @returns the URL for remote_write */
  async listen(): Promise<string> {
    this.#server.listen(this.#port, '127.0.0.1', 1024);
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the upstream has no port');
    this.#port = address.port;
    return `http://127.0.0.1:${address.port}/workspaces/ws-poison/api/v1/remote_write`;
  }

  async beginOutage(outage: Outage): Promise<void> {
    this.#outage = outage;
    if (outage === 'refused') await this.close();
  }

  async endOutage(): Promise<void> {
    const outage = this.#outage;
    this.#outage = undefined;
    if (outage !== 'refused') return;
    this.#server = this.#make();
    await this.listen();
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close').catch(() => undefined);
  }

  /** Counts the timestamps that are not stored. */
  countMissing(series: string, timestamps: readonly number[]): number {
    const stored = this.#series.get(series)?.timestamps;
    return timestamps.filter((timestampMs) => stored?.has(timestampMs) !== true).length;
  }

  #make(): Server {
    const server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    server.keepAliveTimeout = 60_000;
    return server;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    if (this.#outage !== undefined) {
      if (this.#outage === '503') response.writeHead(503).end('unavailable');
      return;
    }
    const { timeseries } = decodeWriteRequest(Buffer.concat(chunks));
    const bad = timeseries.filter(isPoisoned);
    const good = timeseries.filter((series) => !isPoisoned(series));
    if (bad.length === 0 || this.#poison === undefined) {
      this.goodRequests += 1;
      await sleep(this.#latencyMs);
      this.#store(timeseries);
      response.writeHead(200, { 'content-length': 0 }).end();
      return;
    }
    if (good.length > 0) this.mixedRequests += 1;
    else this.poisonedRequests += 1;
    if (this.#poison.stores === 'all') this.#store(timeseries);
    if (this.#poison.stores === 'good') this.#store(good);
    await this.#fail(this.#poison, response);
  }

  async #fail({ action, body }: PoisonAnswer, response: ServerResponse): Promise<void> {
    switch (action.kind) {
      case 'hang':
        return;
      case 'reset':
        response.socket?.resetAndDestroy();
        return;
      case 'drip':
        response.writeHead(200, { 'content-length': 1_000 });
        while (!response.destroyed && response.write('.')) await sleep(1_000);
        return;
      case 'status':
        await sleep(this.#latencyMs);
        response.writeHead(action.status, { 'content-type': 'text/plain', ...action.headers }).end(body);
    }
  }

  #store(timeseries: readonly DecodedSeries[]): void {
    for (const { labels, samples } of timeseries) {
      const key = labels.find(({ name }) => name === 'series')?.value ?? '';
      const stored = this.#series.get(key) ?? { timestamps: new Set(), newestMs: -Infinity };
      this.#series.set(key, stored);
      for (const { timestamp } of samples) {
        const timestampMs = Number(toBigInt(timestamp));
        if (stored.timestamps.has(timestampMs)) continue;
        if (timestampMs < stored.newestMs) this.disordered += 1;
        stored.timestamps.add(timestampMs);
        stored.newestMs = Math.max(stored.newestMs, timestampMs);
      }
    }
  }
}

function isPoisoned({ labels }: DecodedSeries): boolean {
  return labels.some(({ name }) => name === POISON_LABEL);
}
