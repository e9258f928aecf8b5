/**
 * A sender that keeps its own ledger: what it sent, bit by bit, and what it was told for it. It sends over real sockets,
 * and its bodies are written by test/support/sandbox-request.ts, which shares nothing with the data path.
 */
import { Agent, request, type IncomingHttpHeaders } from 'node:http';
import { sleep } from './processes.ts';
import { encodeBody, WRITE_HEADERS, type MetadataInput } from './sandbox-request.ts';

export interface SentSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** Timestamp in ms, and the 8 bytes of the value as an unsigned number. */
  readonly samples: readonly (readonly [timestampMs: number, valueBits: bigint])[];
  /** Encoded Histogram messages. */
  readonly histograms?: readonly Uint8Array[];
}

export interface Answer {
  /** 0 when the connection ended without an answer. */
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
}

/** One attempt. */
export interface SentRequest {
  readonly sender: string;
  readonly series: readonly SentSeries[];
  /** Samples and histograms. */
  readonly sampleCount: number;
  /** Undefined while it is awaited. */
  answer: Answer | undefined;
  /** The time until the answer, in ms. */
  tookMs: number | undefined;
}

export const STALE_MARKER = 0x7ff0000000000002n;
export const SIGNALLING_NAN = 0x7ff4000000000001n;
/** Values that a JS number would change, or that are easily taken for something else. */
export const AWKWARD_VALUES: readonly bigint[] = [
  STALE_MARKER,
  SIGNALLING_NAN,
  0x7ff8000000000001n,
  0xfff0000000000003n,
  0x8000000000000000n,
  0x0000000000000001n,
  0x7ff0000000000000n,
  0n,
];

export interface SenderOptions {
  readonly name: string;
  /** On every series of it, beside `sender`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Default 1: one request at a time, in order. */
  readonly connections?: number;
  /** The address that it sends from; one in 127.0.0.0/8 makes it another machine to the proxy. */
  readonly localAddress?: string;
}

export class LedgerSender {
  readonly name: string;
  /** The requests in the order of sending. */
  readonly requests: SentRequest[] = [];
  readonly #url: URL;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #agent: Agent;
  #made = 0;

  constructor(url: string, { name, labels = {}, connections = 1, localAddress }: SenderOptions) {
    this.name = name;
    this.#url = new URL(url);
    this.#labels = { ...labels, sender: name };
    const from = localAddress === undefined ? {} : { localAddress };
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, ...from });
  }

  /** Counts samples and histograms of requests that got a 2xx. */
  get acknowledged(): number {
    return this.#sampleCountOf((status) => status >= 200 && status < 300);
  }

  /** Counts samples and histograms of requests that got a 4xx. */
  get rejected(): number {
    return this.#sampleCountOf((status) => status >= 400 && status < 500);
  }

  get statuses(): number[] {
    return this.requests.map(({ answer }) => answer?.status ?? -1);
  }

  /**
   * Series that no other request has (label `request`), each with `samples` samples from `startMs` on, a millisecond
   * apart. Every bit pattern is a value of its own, and the awkward ones are among them.
   */
  makeSeries(count: number, samples = 1, startMs: number = Date.now()): SentSeries[] {
    this.#made += 1;
    const request = String(this.#made).padStart(6, '0');
    return Array.from({ length: count }, (_, index) => ({
      labels: { __name__: 'end_to_end_total', ...this.#labels, index: String(index), request },
      samples: Array.from({ length: samples }, (_unused, at) => [startMs + at, this.#valueBits(index, at)] as const),
    }));
  }

  /** The next sample of the same series as ever. */
  makeSample(count: number, timestampMs: number): SentSeries[] {
    this.#made += 1;
    return Array.from({ length: count }, (_, index) => ({
      labels: { __name__: 'end_to_end_gauge', ...this.#labels, index: String(index) },
      samples: [[timestampMs, this.#valueBits(index, 0)]],
    }));
  }

  /** One attempt. Never rejects. */
  async send(series: readonly SentSeries[], metadata: readonly MetadataInput[] = []): Promise<Answer> {
    const sampleCount = series.reduce((sum, one) => sum + one.samples.length + (one.histograms?.length ?? 0), 0);
    const sent: SentRequest = { sender: this.name, series, sampleCount, answer: undefined, tookMs: undefined };
    this.requests.push(sent);
    const sorted = series.map((one) => ({ ...one, labels: sortedLabels(one.labels) }));
    const body = encodeBody(sorted, metadata);
    const startedAtMs = performance.now();
    const answer = await postBody(this.#url, body, { agent: this.#agent });
    sent.answer = answer;
    sent.tookMs = performance.now() - startedAtMs;
    return answer;
  }

  /**
   * Sends as Prometheus does: it resends on 5xx and without an answer, until it gets 2xx or 4xx or `shouldGiveUp` says
   * so.
   */
  async deliver(series: readonly SentSeries[], shouldGiveUp: () => boolean = () => false): Promise<Answer> {
    for (;;) {
      const answer = await this.send(series);
      if ((answer.status >= 200 && answer.status < 500) || shouldGiveUp()) return answer;
      await sleep(100);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #valueBits(index: number, at: number): bigint {
    const awkward = AWKWARD_VALUES[(index + at) % (AWKWARD_VALUES.length * 2)];
    return awkward ?? bitsOf(this.#made + index / 1024 + at / 1_048_576);
  }

  #sampleCountOf(test: (status: number) => boolean): number {
    return this.requests.reduce(
      (sum, { answer, sampleCount }) => sum + (test(answer?.status ?? 0) ? sampleCount : 0),
      0,
    );
  }
}

export interface PostOptions {
  readonly agent?: Agent;
  readonly headers?: Readonly<Record<string, string>>;
  /** Chunked, and after these bytes nothing comes, not even the end. */
  readonly endless?: boolean;
}

/** The wait for an answer to a request without an end. */
const ENDLESS_MS = 5_000;

/** Posts a body as remote write 1.0, unless told otherwise. Never rejects. */
export async function postBody(url: URL | string, body: Uint8Array, options: PostOptions = {}): Promise<Answer> {
  const { agent, headers = {}, endless = false } = options;
  const length = endless ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(body.length) };
  return new Promise((resolve) => {
    const call = request(
      new URL(url),
      {
        method: 'POST',
        headers: { ...WRITE_HEADERS, ...length, ...headers },
        ...(agent === undefined ? {} : { agent }),
      },
      (response) => {
        const { statusCode: status = 0, headers: answered } = response;
        let text = '';
        const done = (): void => resolve({ status, text, headers: answered });
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', done).on('error', done);
        if (endless) response.on('end', () => call.destroy());
      },
    );
    // After an early answer the rest of the body cannot be written; the answer counts.
    call.on('error', () => setImmediate(() => resolve({ status: 0, text: '', headers: {} })));
    if (endless) call.setTimeout(ENDLESS_MS, () => call.destroy()).write(body);
    else call.end(body);
  });
}

/** Returns the labels in the order that the protocol asks for. */
export function sortedLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Formats a series as the sandbox and Prometheus do. */
export function keyOf(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(sortedLabels(labels)).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${pairs.join(', ')}}`;
}

/** The 8 bytes of a number. */
export function bitsOf(value: number): bigint {
  return new BigUint64Array(new Float64Array([value]).buffer)[0] ?? 0n;
}

/** 16 hex digits, most significant first. */
export function hexOf(valueBits: bigint): string {
  return valueBits.toString(16).padStart(16, '0');
}
