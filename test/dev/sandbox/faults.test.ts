import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { FaultSpec } from '../../../src/dev/sandbox/faults.ts';
import { Faults } from '../../../src/dev/sandbox/faults.ts';
import type { Sandbox } from '../../../src/dev/sandbox/sandbox.ts';
import { startSandbox } from '../../../src/dev/sandbox/sandbox.ts';
import { encodeBody, signHeaders } from '../../support/sandbox-request.ts';

let sandbox: Sandbox;
let timestampMs = 1_700_000_000_000;

beforeAll(async () => {
  sandbox = await startSandbox();
});

afterAll(async () => {
  await sandbox.close();
});

afterEach(async () => {
  sandbox.reset();
  await sandbox.settled();
});

interface Result {
  readonly status: number | undefined;
  /** Code or message of what went wrong on the connection. */
  readonly error: string | undefined;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly tookMs: number;
}

/** One signed write by node:http, which tells resets from other ends. */
async function write(
  options: { agent?: Agent; timeoutMs?: number; job?: string; padding?: number } = {},
): Promise<Result> {
  timestampMs += 1;
  const labels = { __name__: 'up', job: options.job ?? 'x' };
  const padding = Array.from({ length: options.padding ?? 0 }, (_, index) => ({
    labels: { __name__: `p${index * 7919}` },
  }));
  const body = encodeBody([{ labels, samples: [[timestampMs, 1]] }, ...padding]);
  const { accessKeyId, secretAccessKey, remoteWriteUrl } = sandbox;
  const headers = await signHeaders(remoteWriteUrl, body, { accessKeyId, secretAccessKey });
  const started = performance.now();
  const { agent = new Agent() } = options;
  const chunks: Buffer[] = [];
  let incoming: IncomingMessage | undefined;
  const error = await new Promise<string | undefined>((resolve) => {
    const fail = (cause: NodeJS.ErrnoException): void => resolve(cause.code ?? cause.message);
    const request = httpRequest(remoteWriteUrl, { method: 'POST', headers, agent }, (response) => {
      incoming = response;
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => resolve(undefined));
    });
    request.setTimeout(options.timeoutMs ?? 5000, () => request.destroy(new Error('timed out')));
    request.on('error', fail);
    request.end(body);
  });
  return {
    status: incoming?.statusCode,
    error,
    text: Buffer.concat(chunks).toString(),
    headers: incoming?.headers ?? {},
    tookMs: performance.now() - started,
  };
}

describe('a status fault', () => {
  test('answers with its status, body and headers, and stores nothing', async () => {
    sandbox.faults.add({
      action: { kind: 'status', status: 503, body: 'later', headers: { 'x-a': 'b' }, retryAfter: 7 },
    });
    const { status, text, headers } = await write();
    expect([status, text, headers['x-a'], headers['retry-after']]).toEqual([503, 'later', 'b', '7']);
    expect(sandbox.store.sampleCount).toBe(0);
    expect(sandbox.ledger.stats()).toMatchObject({ requestsByStatus: { 503: 1 }, faultsByKind: { status: 1 } });
  });

  test('may give Retry-After as a date by the clock of the sandbox', async () => {
    sandbox.faults.add({ action: { kind: 'status', status: 429, retryAfter: 'date:30' } });
    const { headers } = await write();
    expect(Date.parse(String(headers['retry-after'])) - Date.parse(String(headers['date']))).toBe(30_000);
  });

  test('that applies first is the at-least-once case: stored, and answered 500', async () => {
    sandbox.faults.add({ apply: true, action: { kind: 'status', status: 500 } });
    expect((await write()).status).toBe(500);
    expect(sandbox.store.sampleCount).toBe(1);
  });
});

describe('a fault acts', () => {
  test('after the first M, on N requests, and never again', async () => {
    sandbox.faults.add({ skip: 1, times: 2, action: { kind: 'status', status: 500 } });
    const statuses: (number | undefined)[] = [];
    for (let index = 0; index < 5; index += 1) statuses.push((await write()).status);
    expect(statuses).toEqual([200, 500, 500, 200, 200]);
    expect(sandbox.faults.list()[0]?.hits).toBe(2);
  });

  test('on requests that carry a label, and on no others', async () => {
    sandbox.faults.add({ label: { name: 'job', value: 'bad' }, action: { kind: 'status', status: 400 } });
    expect((await write({ job: 'good' })).status).toBe(200);
    expect((await write({ job: 'bad' })).status).toBe(400);
  });

  test('on a path', async () => {
    sandbox.faults.add({ path: 'remote_read', action: { kind: 'status', status: 400 } });
    expect((await write()).status).toBe(200);
  });

  test('at random, the same from the same seed', () => {
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    const hits = draw(3).filter(Boolean).length;
    expect(hits).toBeGreaterThan(240);
    expect(hits).toBeLessThan(360);
  });

  test.each<[FaultSpec]>([
    [{ label: { name: 'a', value: 'b' }, action: { kind: 'reset', at: 'before-body' } }],
    [{ apply: true, action: { kind: 'reset', at: 'during-body' } }],
    [{ action: { kind: 'credentials', empty: true } }],
    [{ probability: 2, action: { kind: 'garbage' } }],
  ])('never when it contradicts itself: it is refused', (spec) => {
    expect(() => sandbox.faults.add(spec)).toThrow(TypeError);
  });
});

describe('on the connection', () => {
  test.each(['before-body', 'during-body', 'after-body'] as const)(
    'a reset %s is a reset, and stores nothing',
    async (at) => {
      sandbox.faults.add({ times: 1, action: { kind: 'reset', at } });
      expect((await write({ padding: 5000 })).error).toMatch(/^(?:ECONNRESET|EPIPE)$/u);
      expect(sandbox.store.sampleCount).toBe(0);
      expect(sandbox.ledger.stats().requestsByStatus).toEqual({ none: 1 });
      expect((await write()).status).toBe(200);
    },
  );

  test('a reset after the body may have applied the request', async () => {
    sandbox.faults.add({ apply: true, action: { kind: 'reset', at: 'after-body' } });
    expect((await write()).error).toBe('ECONNRESET');
    expect(sandbox.store.sampleCount).toBe(1);
  });

  test('a reset during the response comes after a 200 and a part of the body', async () => {
    sandbox.faults.add({ action: { kind: 'reset', at: 'during-response' } });
    expect(await write()).toMatchObject({ status: 200, error: 'ECONNRESET', text: 'cut here' });
    expect(sandbox.store.sampleCount).toBe(1);
  });

  test('a truncated answer is a 200 that ends early', async () => {
    sandbox.faults.add({ action: { kind: 'truncate' } });
    expect(await write()).toMatchObject({ status: 200, error: 'ECONNRESET', text: 'cut here' });
  });

  test('garbage is no HTTP', async () => {
    sandbox.faults.add({ action: { kind: 'garbage' } });
    expect((await write()).error).toMatch(/^HPE_/u);
  });

  test.each(['before-body', 'after-body'] as const)('a hang %s never answers', async (at) => {
    sandbox.faults.add({ times: 1, action: { kind: 'hang', at } });
    expect((await write({ timeoutMs: 100 })).error).toBe('timed out');
    expect((await write()).status).toBe(200);
  });

  test('a delay answers late, and combines with what follows', async () => {
    sandbox.faults.add({ action: { kind: 'delay', ms: 60 } });
    sandbox.faults.add({ times: 1, action: { kind: 'status', status: 503 } });
    const first = await write();
    expect(first.status).toBe(503);
    expect(first.tookMs).toBeGreaterThan(55);
    expect((await write()).status).toBe(200);
  });

  test('a drip gives the real answer, byte by byte', async () => {
    sandbox.faults.add({ action: { kind: 'drip', intervalMs: 1 } });
    const { status, tookMs } = await write();
    expect(status).toBe(200);
    expect(tookMs).toBeGreaterThan(100);
  });

  test('an idle connection is closed after its time, and not before', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    sandbox.faults.add({ action: { kind: 'close-idle', afterMs: 80 } });
    await write({ agent });
    await sleep(20);
    expect(Object.keys(agent.freeSockets)).toHaveLength(1);
    await sleep(120);
    expect(Object.keys(agent.freeSockets)).toHaveLength(0);
    agent.destroy();
  });

  test('a reused connection can be reset just as the next request arrives', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    sandbox.faults.add({ onReusedConnection: true, times: 1, action: { kind: 'reset', at: 'before-body' } });
    expect((await write({ agent })).status).toBe(200);
    expect((await write({ agent })).error).toMatch(/^(?:ECONNRESET|EPIPE)$/u);
    expect((await write({ agent })).status).toBe(200);
    agent.destroy();
  });

  test('down refuses connections on the port, and the end of it opens the same port', async () => {
    const { port } = new URL(sandbox.url);
    const idle = connect(Number(port), '127.0.0.1');
    await once(idle, 'connect');
    const id = sandbox.faults.add({ action: { kind: 'down' } });
    await Promise.all([once(idle, 'close'), sandbox.settled()]);
    expect((await write()).error).toBe('ECONNREFUSED');
    sandbox.faults.remove(id);
    await sandbox.settled();
    expect((await write()).status).toBe(200);
  });
});

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
test.skipIf(!hasOpenssl)(
  'serves HTTPS with a given certificate, faults included (skipped without openssl)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sandbox-tls-'));
    const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const subject = ['-subj', '/CN=sandbox', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', keyFile, '-out', certFile], {
      stdio: 'ignore',
    });
    const cert = readFileSync(certFile, 'utf8');
    const secure = await startSandbox({
      tls: { cert, key: readFileSync(keyFile, 'utf8') },
      rules: { verifySignatures: false },
    });
    rmSync(folder, { recursive: true });
    const ask = (ca: string | undefined): Promise<number | string | undefined> =>
      new Promise((resolve) => {
        const request = httpsRequest(secure.remoteWriteUrl, { method: 'POST', agent: false, ca }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode));
        });
        request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
        request.end();
      });
    expect(await ask(cert)).toBe(415);
    expect(await ask(undefined)).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
    secure.faults.add({ action: { kind: 'reset', at: 'after-body' } });
    expect(await ask(cert)).toBe('ECONNRESET');
    await secure.close();
  },
);

/** Returns on which of 1000 requests a fault of probability 0.3 acts. */
function draw(seed: number): boolean[] {
  const faults = new Faults();
  faults.add({ probability: 0.3, seed, action: { kind: 'status', status: 500 } });
  const facts = { path: '/', isReusedConnection: false, hasLabel: undefined };
  return Array.from({ length: 1000 }, () => faults.planAfterBody('amp', facts).action !== undefined);
}
