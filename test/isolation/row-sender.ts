/**
 * One connection of a sender in a row: it sends as a shard of Prometheus does, its next sample only after the last one
 * was accepted or rejected, and keeps a ledger of what it was told.
 */
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeBody } from '../support/sandbox-request.ts';
import { postBody, sortedLabels } from '../support/sending.ts';

/** Each request has a sample of each of these series. */
export const SERIES_PER_REQUEST = 3;

export interface Attempt {
  /** A time of performance.now(). */
  readonly startedAtMs: number;
  readonly tookMs: number;
  /** 0 without an answer. */
  readonly status: number;
  readonly text: string;
  /** Seconds; NaN where there is no such header. */
  readonly retryAfter: number;
}

export interface RowSenderOptions {
  readonly name: string;
  readonly localAddress: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Resolves when the next request is due. */
  readonly pace: () => Promise<void>;
}

export class RowSender {
  readonly name: string;
  readonly attempts: Attempt[] = [];
  /** Timestamps that it was told 2xx for, the same for each of its series. */
  readonly acknowledged: number[] = [];
  /** Requests that it was told 4xx for. */
  rejected = 0;
  readonly #url: string;
  readonly #options: RowSenderOptions;
  readonly #agent: Agent;
  #closed = false;

  constructor(url: string, options: RowSenderOptions) {
    this.name = options.name;
    this.#url = url;
    this.#options = options;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: options.localAddress });
  }

  get seriesNames(): string[] {
    return Array.from({ length: SERIES_PER_REQUEST }, (_, index) => `${this.name}/${index}`);
  }

  /** Sends until `isOver`, and ends with the answer to its last request, or when it is closed. */
  async run(isOver: () => boolean): Promise<void> {
    let timestampMs = Date.now();
    while (!isOver()) {
      await this.#options.pace();
      timestampMs = Math.max(timestampMs + 1, Date.now());
      await this.#deliver(timestampMs, isOver);
    }
  }

  /** Ends its connection, with a request on it or not. */
  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  async #deliver(timestampMs: number, isOver: () => boolean): Promise<void> {
    const body = this.#encode(timestampMs);
    while (!this.#closed) {
      const startedAtMs = performance.now();
      const { status, text, headers } = await postBody(this.#url, body, { agent: this.#agent });
      if (this.#closed && status === 0) return;
      const retryAfter = Number(headers['retry-after'] ?? Number.NaN);
      this.attempts.push({ startedAtMs, tookMs: performance.now() - startedAtMs, status, text, retryAfter });
      if (status >= 200 && status < 300) this.acknowledged.push(timestampMs);
      if (status >= 400 && status < 500) this.rejected += 1;
      if ((status >= 200 && status < 500) || isOver()) return;
      await sleep(Number.isNaN(retryAfter) ? 100 : retryAfter * 1_000);
    }
  }

  #encode(timestampMs: number): Buffer {
    const { labels = {} } = this.#options;
    return encodeBody(
      this.seriesNames.map((series) => ({
        labels: sortedLabels({ __name__: 'isolation_total', ...labels, series }),
        samples: [[timestampMs, timestampMs % 1_000]] as const,
      })),
    );
  }
}
