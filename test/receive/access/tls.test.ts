import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpsRequest, type AgentOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { BufferPool } from '../../../src/memory/buffer-pool.ts';
import { Kernel } from '../../../src/codec/kernel.ts';
import { KernelTurns } from '../../../src/codec/kernel-turns.ts';
import { Metrics } from '../../../src/metrics/metrics.ts';
import { ByteBudget } from '../../../src/receive/access/byte-budget.ts';
import { makeServer } from '../../../src/receive/server.ts';
import { ServerTls, type TlsConfig } from '../../../src/receive/access/tls.ts';
import { WriteHandler } from '../../../src/receive/write-handler.ts';
import { DELIVERED, type Outcome } from '../../../src/outcome/outcome.ts';
import type { ParcelContents } from '../../../src/parcel/parcel.ts';
import { encodeBody } from '../../support/parcels.ts';
import { HEADERS, SERIES } from '../../support/receiving.ts';

interface Pair {
  readonly cert: string;
  readonly key: string;
}

const BODY = encodeBody(SERIES);
const NAMES = ['one', 'two', 'alice', 'bob'] as const;
/** The failure as a client sees it: an alert, or a connection that ends immediately. */
const TLS_FAILURE = /alert|SSL|ECONNRESET|socket hang up|disconnected/;
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

const folder = mkdtempSync(join(tmpdir(), 'amp-write-proxy-tls-'));
const pairs = new Map<string, Pair>();
const [certFile, keyFile, caFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key'), join(folder, 'ca.crt')];
let cleanups: (() => Promise<void>)[] = [];
let errors: object[] = [];

/** Self-signed, so that each is its own authority. */
function pair(name: (typeof NAMES)[number]): Pair {
  return pairs.get(name) ?? { cert: '', key: '' };
}

beforeAll(() => {
  if (!hasOpenssl) return;
  for (const name of NAMES) {
    const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const files = ['-keyout', key, '-out', cert, '-subj', `/CN=${name}`];
    execFileSync('openssl', ['req', '-x509', ...curve, ...files], { stdio: 'ignore' });
    pairs.set(name, { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') });
  }
});

beforeEach(() => {
  // Only the timer of the watch.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  errors = [];
});

afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
  cleanups = [];
  vi.useRealTimers();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function install({ cert, key }: Pair): void {
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key);
}

/** Lets the watch look, and read what it wants to. */
async function check(): Promise<void> {
  vi.advanceTimersByTime(6_000);
  await new Promise((resolve) => {
    setTimeout(resolve, 50);
  });
}

function makeTls(clientCa?: string): ServerTls {
  if (clientCa !== undefined) writeFileSync(caFile, clientCa);
  const config: TlsConfig = {
    cert_file: certFile,
    key_file: keyFile,
    ...(clientCa === undefined ? {} : { client_ca_file: caFile }),
  };
  const tls = new ServerTls(config, { info: () => {}, error: (fields) => void errors.push(fields) });
  cleanups.push(async () => Promise.resolve(tls.stop()));
  return tls;
}

/** The receiving end with TLS; everything is delivered at once. */
async function start(tls: ServerTls): Promise<number> {
  const kernel = new Kernel({ maxBodyBytes: 100_000, maxDecodedBytes: 1 << 20 });
  const route = new WriteHandler({
    kernel,
    turns: new KernelTurns(kernel, () => performance.now()),
    budget: new ByteBudget(1_000_000),
    pool: new BufferPool(0),
    maxBodyBytes: 100_000,
    metrics: new Metrics({ version: 'test' }),
    log: { error: () => {}, warn: () => {} },
    nowMs: () => performance.now(),
    maxConnectionAgeMs: 0,
    random: () => 0,
  });
  const destination = {
    name: 'default',
    workspaceId: undefined,
    accept: (
      contents: ParcelContents,
      _connection: unknown,
      _arrivedAtMs: number,
      onSettled: (outcome: Outcome) => void,
    ) => {
      contents.lease.release();
      onSettled(DELIVERED);
      return { trySettle: () => false };
    },
  };
  const server = makeServer([destination], route, { maxOfAddress: 100, count: () => {}, log: { warn: () => {} } }, tls);
  await server.listen({ host: '127.0.0.1', port: 0 });
  cleanups.push(async () => {
    const closed = server.close();
    server.server.closeAllConnections();
    await closed;
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a listening TCP server has an AddressInfo
  return (server.server.address() as AddressInfo).port;
}

function makeAgent(options: AgentOptions = {}): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, ...options });
  cleanups.push(async () => Promise.resolve(agent.destroy()));
  return agent;
}

/** The status, and the name in the certificate that was shown. Rejects where TLS fails. */
async function post(port: number, agent: Agent = makeAgent()): Promise<[number | undefined, unknown]> {
  return new Promise((resolve, reject) => {
    const call = httpsRequest(
      { host: '127.0.0.1', port, path: '/api/v1/write', method: 'POST', headers: HEADERS, agent },
      (response) => {
        const { socket } = response;
        const shown = socket instanceof TLSSocket ? socket.getPeerCertificate().subject.CN : undefined;
        response.resume().on('end', () => resolve([response.statusCode, shown]));
      },
    );
    call.on('error', reject).end(BODY);
  });
}

describe.skipIf(!hasOpenssl)('TLS for senders (skipped where there is no openssl)', () => {
  test('a certificate that is replaced is shown to new connections; old ones live on', async () => {
    install(pair('one'));
    const port = await start(makeTls());
    const old = makeAgent();
    expect(await post(port, old)).toEqual([204, 'one']);
    install(pair('two'));
    await check();
    expect(await post(port)).toEqual([204, 'two']);
    expect(await post(port, old)).toEqual([204, 'one']);
    expect(errors).toEqual([]);
  });

  test('a connection is kept longer than the 5 minutes after which Prometheus closes an idle one', async () => {
    install(pair('one'));
    const port = await start(makeTls());
    const kept = await new Promise<unknown>((resolve, reject) => {
      const to = {
        host: '127.0.0.1',
        port,
        path: '/api/v1/write',
        method: 'POST',
        headers: HEADERS,
        agent: makeAgent(),
      };
      const call = httpsRequest(to, (response) => resolve(response.resume().headers['keep-alive']));
      call.on('error', reject).end(BODY);
    });
    expect(Number(/^timeout=(\d+)$/.exec(String(kept))?.[1])).toBeGreaterThan(300);
  });

  test('a certificate without its key leaves the old pair in force, until the key comes', async () => {
    install(pair('one'));
    const port = await start(makeTls());
    writeFileSync(certFile, pair('two').cert);
    await check();
    expect(await post(port)).toEqual([204, 'one']);
    expect(errors).toHaveLength(1);
    writeFileSync(keyFile, pair('two').key);
    await check();
    expect(await post(port)).toEqual([204, 'two']);
  });

  test.each<[string, () => Pair]>([
    ['an empty certificate', () => ({ ...pair('one'), cert: '' })],
    ['an empty key', () => ({ ...pair('one'), key: '' })],
    ['two empty files', () => ({ cert: '', key: '' })],
    ['half a certificate', () => ({ ...pair('one'), cert: pair('one').cert.slice(0, 200) })],
    ['no certificate at all', () => ({ ...pair('one'), cert: 'hello, world' })],
  ])('%s is refused at the start, and leaves the last good pair in force later', async (_what, broken) => {
    install(broken());
    expect(() => makeTls()).toThrow(/tls\.crt|tls\.key|PEM/);
    install(pair('one'));
    const port = await start(makeTls());
    install(broken());
    await check();
    expect(await post(port)).toEqual([204, 'one']);
    expect(errors).toHaveLength(1);
  });

  test('no key is in what is logged', async () => {
    install(pair('one'));
    makeTls();
    install({ cert: pair('one').cert, key: pair('two').key });
    await check();
    expect(errors).toHaveLength(1);
    expect(JSON.stringify(errors)).not.toContain('PRIVATE');
  });

  test('no version older than TLS 1.2 is spoken, not even with a new certificate', async () => {
    install(pair('one'));
    const port = await start(makeTls());
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(post(port, makeAgent(old))).rejects.toThrow(TLS_FAILURE);
    install(pair('two'));
    await check();
    await expect(post(port, makeAgent(old))).rejects.toThrow(TLS_FAILURE);
    expect(await post(port, makeAgent({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }))).toEqual([204, 'two']);
  });
});

describe.skipIf(!hasOpenssl)('client certificates (skipped where there is no openssl)', () => {
  test('only a client with a certificate of the authority is served', async () => {
    install(pair('one'));
    const port = await start(makeTls(pair('alice').cert));
    expect(await post(port, makeAgent(pair('alice')))).toEqual([204, 'one']);
    await expect(post(port)).rejects.toThrow(TLS_FAILURE);
    await expect(post(port, makeAgent(pair('bob')))).rejects.toThrow(TLS_FAILURE);
  });

  test("a client certificate is still required after the server's was replaced", async () => {
    install(pair('one'));
    const port = await start(makeTls(pair('alice').cert));
    install(pair('two'));
    await check();
    await expect(post(port)).rejects.toThrow(TLS_FAILURE);
    expect(await post(port, makeAgent(pair('alice')))).toEqual([204, 'two']);
  });

  test('an authority that is replaced: new connections go by the new one', async () => {
    install(pair('one'));
    const port = await start(makeTls(pair('alice').cert));
    writeFileSync(caFile, pair('bob').cert);
    await check();
    expect(await post(port, makeAgent(pair('bob')))).toEqual([204, 'one']);
    await expect(post(port, makeAgent(pair('alice')))).rejects.toThrow(TLS_FAILURE);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a %s session that began under the old authority does not let its client in again',
    async (version) => {
      install(pair('one'));
      const port = await start(makeTls(pair('alice').cert));
      const options = { ...pair('alice'), minVersion: version, maxVersion: version, rejectUnauthorized: false };
      const first = connect({ host: '127.0.0.1', port, ...options });
      const session = await new Promise<Buffer>((resolve) => {
        first.once('session', resolve);
      });
      first.destroy();
      writeFileSync(caFile, pair('bob').cert);
      await check();
      await expect(post(port, makeAgent({ ...options, session }))).rejects.toThrow(TLS_FAILURE);
    },
  );

  test.each([
    ['an empty file', ''],
    ['text that is no certificate', 'hello, world'],
  ])(
    '%s is no authority: refused at the start, and leaves the last good one in force later',
    async (_what, content) => {
      install(pair('one'));
      expect(() => makeTls(content)).toThrow(caFile);
      const port = await start(makeTls(pair('alice').cert));
      writeFileSync(caFile, content);
      await check();
      expect(await post(port, makeAgent(pair('alice')))).toEqual([204, 'one']);
      await expect(post(port, makeAgent(pair('bob')))).rejects.toThrow(TLS_FAILURE);
      expect(errors).toHaveLength(1);
    },
  );
});
