/** The receiving end on loopback, with a destination that a test decides for. */
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { BufferPool } from '../../src/memory/buffer-pool.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import { KernelTurns } from '../../src/codec/kernel-turns.ts';
import type { DestinationMetrics } from '../../src/metrics/counts.ts';
import { Metrics } from '../../src/metrics/metrics.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { sharedKey } from '../../src/parcel/merge-key.ts';
import { Parcel } from '../../src/parcel/parcel.ts';
import { ByteBudget } from '../../src/receive/access/byte-budget.ts';
import type { Authenticator } from '../../src/receive/access/auth.ts';
import { FastPathServer } from '../../src/receive/http/fast-path/server.ts';
import { makeServer, type FastPathTiming, type RoutedDestination } from '../../src/receive/server.ts';
import { WriteHandler } from '../../src/receive/write-handler.ts';
import { DELIVERED } from '../../src/outcome/outcome.ts';
import { makeDestinationMetrics, type TestSeries } from './parcels.ts';

export const SERIES: readonly TestSeries[] = [{ name: 'up', timestamps: [1000, 2000] }];
export const HEADERS = { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' };
export const MAX_BODY_BYTES = 100_000;
export const MAX_INFLIGHT_BYTES = 150_000;

export interface Receiver {
  readonly port: number;
  readonly fastPath: FastPathServer;
  readonly pool: BufferPool;
  readonly budget: ByteBudget;
  readonly metrics: Metrics;
  readonly ledgerMetrics: DestinationMetrics;
  readonly route: WriteHandler;
  /** Parcels submitted, with the name of their destination. */
  readonly submitted: { name: string; parcel: Parcel }[];
  /** Faults of the proxy itself that were logged. */
  readonly faults: unknown[];
  /** The logged warnings: fields and message. */
  readonly warnings: object[];
  /** Stops listening and resolves when every connection has ended. */
  close: () => Promise<void>;
  /** Counts open connections, in the fast path and with Node. */
  connections: () => Promise<number>;
}

export interface ReceiverOptions {
  /** Settles a parcel; it is delivered immediately unless told otherwise. */
  readonly submit?: (parcel: Parcel) => void;
  readonly maxConnectionAgeMs?: number;
  readonly maxInflightBytes?: number;
  readonly auth?: Authenticator;
  readonly timing?: FastPathTiming;
  readonly maxConnectionsOfAddress?: number;
  /** Address to listen on. */
  readonly host?: string;
}

/** Ends with the test, and cuts whatever is open then. */
export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const { submit = (parcel: Parcel): void => void parcel.trySettle(DELIVERED) } = options;
  const budget = new ByteBudget(options.maxInflightBytes ?? MAX_INFLIGHT_BYTES);
  const metrics = new Metrics({ version: 'test' });
  const faults: unknown[] = [];
  const warnings: object[] = [];
  const log = {
    error: (fields: object): void => void faults.push(fields),
    warn: (fields: object, message: string): void => void warnings.push({ ...fields, message }),
  };
  const pool = new BufferPool(1 << 20);
  const limits = { maxBodyBytes: MAX_BODY_BYTES, maxDecodedBytes: 1 << 24 };
  const route = new WriteHandler({
    kernel: new Kernel(limits),
    turns: new KernelTurns(new Kernel(limits), () => performance.now()),
    budget,
    pool,
    maxBodyBytes: MAX_BODY_BYTES,
    auth: options.auth,
    metrics,
    log,
    nowMs: () => performance.now(),
    maxConnectionAgeMs: options.maxConnectionAgeMs ?? 0,
    random: () => 0,
  });
  const submitted: Receiver['submitted'] = [];
  const ledgerMetrics = makeDestinationMetrics();
  const ledger = new Ledger(ledgerMetrics);
  const destination = (name: string, workspaceId: string | undefined): RoutedDestination => ({
    name,
    workspaceId,
    accept: (contents, connection, arrivedAtMs, onSettled) => {
      const times = { arrivedAtMs, deadlineAtMs: arrivedAtMs + 25_000, queuedAtMs: performance.now() };
      const parcel = new Parcel(contents, times, sharedKey(contents.dedupKey), connection, ledger);
      parcel.onSettled = onSettled;
      ledger.open(parcel);
      submitted.push({ name, parcel });
      try {
        submit(parcel);
      } catch (error) {
        parcel.onSettled = undefined;
        parcel.trySettle({ kind: 'refused', reason: 'internal', message: '' });
        throw error;
      }
      return parcel;
    },
  });
  const server = makeServer(
    [destination('first', 'ws-1'), destination('second', 'ws-2'), destination('bare', undefined)],
    route,
    {
      maxOfAddress: options.maxConnectionsOfAddress ?? 1_000,
      count: (reason) => metrics.countRefusedConnection(reason),
      log,
    },
    undefined,
    options.timing,
  );
  const fastPath = server.server;
  if (!(fastPath instanceof FastPathServer)) throw new Error('plain HTTP is not served by the lane');
  await server.listen({ host: options.host ?? '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    const closed = server.close();
    fastPath.closeAllConnections();
    await closed;
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a listening TCP server has an AddressInfo
  const { port } = fastPath.address() as AddressInfo;
  return {
    port,
    fastPath,
    pool,
    budget,
    metrics,
    ledgerMetrics,
    route,
    submitted,
    faults,
    warnings,
    close: async () => {
      await server.close();
    },
    connections: async () =>
      new Promise((resolve, reject) => {
        fastPath.getConnections((error, connections) => (error === null ? resolve(connections) : reject(error)));
      }),
  };
}

/** A request as Prometheus writes it, but for what a test wants otherwise. */
export function rawRequest(body: Buffer, headers: readonly string[] = [], path = '/api/v1/write'): Buffer {
  const length = headers.some((line) => /^(content-length|transfer-encoding):/i.test(line));
  const lines = [
    `POST ${path} HTTP/1.1`,
    'Host: proxy:8005',
    'User-Agent: Prometheus/3.5.3',
    ...(length ? [] : [`Content-Length: ${body.length}`]),
    'Content-Encoding: snappy',
    'Content-Type: application/x-protobuf',
    'X-Prometheus-Remote-Write-Version: 0.1.0',
    ...headers,
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

export interface PlainAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** One request on a connection of its own. */
export async function send(
  port: number,
  path: string,
  body: Buffer | undefined,
  headers: Record<string, string | number> = HEADERS,
  method = 'POST',
): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
