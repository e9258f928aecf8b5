/** Reaching an upstream by name and by address, with TLS and without. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { trySelfSigned } from '../../support/certificates.ts';
import { bodiesOf, echo, FORGED, HEADERS, OK, openDirect, startScript } from '../../support/direct-upstream.ts';
import { startTcpServer, until, type LoopbackServer } from '../../support/loopback.ts';
import type { Asked, ScriptedUpstream } from '../../support/scripted-upstream.ts';

test('is reached at an IPv6 address', async () => {
  const server = await startScript(echo, { host: '::1' });
  expect(server.url.host).toBe(`[::1]:${server.port}`);
  expect(await openDirect(server.url).post(HEADERS, Buffer.from('1'))).toMatchObject({ status: 200, message: '1' });
});

test('a peer that never says anything of TLS does not outlast the timeout or the end', async () => {
  let closed = 0;
  await using server = await startTcpServer((socket) => socket.on('close', () => (closed += 1)).resume());
  const url = new URL(`https://127.0.0.1:${server.port}/`);
  const late = openDirect(url, { timeoutMs: 100 });
  expect(await late.post(HEADERS, Buffer.from('1'))).toMatchObject({ kind: 'failed', reason: 'timeout' });
  await until(() => closed === 1, 'the end of the connection');
  const client = openDirect(url);
  const result = client.post(HEADERS, Buffer.from('1'));
  await sleep(20);
  await client.destroy();
  expect(await result).toMatchObject({ kind: 'failed', reason: 'reset' });
  await until(() => closed === 2, 'the end of the connection');
});

/** Passes bytes on, those of the server in as few pieces as can be. Resets a connection whose first bytes are not let in. */
async function startGathering(to: number, lets = (_hello: Buffer): boolean => true): Promise<LoopbackServer> {
  const relay = await startTcpServer((socket) => {
    const line = connect(to, '127.0.0.1');
    line.on('error', () => {});
    socket.on('close', () => line.destroy());
    socket.once('data', (hello: Buffer) => {
      if (!lets(hello)) socket.resetAndDestroy();
      else if (line.write(hello)) socket.pipe(line);
    });
    const held: Buffer[] = [];
    const passOn = (): void => void socket.write(Buffer.concat(held.splice(0)));
    line.on('data', (bytes: Buffer) => {
      if (held.length === 0) setTimeout(passOn, 20);
      held.push(bytes);
    });
    line.on('end', () => {
      passOn();
      socket.end();
    });
  });
  onTestFinished(async () => relay[Symbol.asyncDispose]());
  return relay;
}

/**
 * Returns true if a ClientHello has the extension pre_shared_key. https://www.rfc-editor.org/rfc/rfc8446#section-4.1.2
 */
function offersSession(hello: Buffer): boolean {
  let at = 5 + 4 + 2 + 32;
  at += 1 + hello.readUInt8(at);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello.readUInt8(at);
  const end = at + 2 + hello.readUInt16BE(at);
  for (at += 2; at < end; at += 4 + hello.readUInt16BE(at + 2)) if (hello.readUInt16BE(at) === 41) return true;
  return false;
}

const tlsOf = (server: ScriptedUpstream): TLSSocket[] => server.sockets.filter((socket) => socket instanceof TLSSocket);

/** One certificate for names, and one for addresses. */
const [named, addressed] = [trySelfSigned('DNS:localhost,DNS:aps.example'), trySelfSigned('IP:127.0.0.1,IP:::1')];
const tls = { ca: `${named?.cert}${addressed?.cert}`, insecureSkipVerify: false };

function atLocalhost({ port }: LoopbackServer): URL {
  return new URL(`https://localhost:${port}/`);
}

async function writeBytewise(socket: Socket, text: string): Promise<void> {
  for (const byte of Buffer.from(text)) {
    socket.write(Buffer.of(byte));
    await new Promise(setImmediate);
  }
}

/** One answer on a connection. */
function answerOnce({ socket }: Asked): void {
  socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
}

describe.skipIf(named === undefined || addressed === undefined)('over TLS (skipped where there is no openssl)', () => {
  test('a connection is used again', async () => {
    const server = await startScript(echo, { tls: { ...named } });
    const client = openDirect(atLocalhost(server), { tls });
    for (const name of ['1', '2', '3', '4']) {
      expect(await client.post(HEADERS, Buffer.from(name))).toMatchObject({ status: 200, message: name });
    }
    expect(server.sockets).toHaveLength(1);
    expect(tlsOf(server)[0]).toMatchObject({ servername: 'localhost', alpnProtocol: false });
  });

  test('HTTP/1.1 is chosen of two protocols', async () => {
    const server = await startScript(echo, { tls: { ...named, ALPNProtocols: ['h2', 'http/1.1'] } });
    const client = openDirect(atLocalhost(server), { tls });
    expect(await client.post(HEADERS, Buffer.from('1'))).toMatchObject({ status: 200, message: '1' });
    expect(tlsOf(server)[0]?.alpnProtocol).toBe('http/1.1');
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('the next connection takes up the session (%s)', async (version) => {
    const reused: boolean[] = [];
    const connected = (socket: Socket): void =>
      void (socket instanceof TLSSocket && reused.push(socket.isSessionReused()));
    const server = await startScript(answerOnce, {
      tls: { ...named, minVersion: version, maxVersion: version },
      connected,
    });
    const client = openDirect(atLocalhost(server), { tls });
    for (const name of ['1', '2', '3']) {
      expect(await client.post(HEADERS, Buffer.from(name))).toMatchObject({ status: 204 });
    }
    expect(reused).toEqual([false, true, true]);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('no session of who is not the one expected (%s)', async (version) => {
    const server = await startScript(echo, { tls: { ...named, minVersion: version, maxVersion: version } });
    const client = openDirect(atLocalhost(server), { tls: { ...tls, servername: 'other.example' } });
    for (const name of ['1', '2', '3']) {
      expect(await client.post(HEADERS, Buffer.from(name))).toMatchObject({ kind: 'failed', reason: 'tls_wrong_name' });
    }
    expect(server.requests).toHaveLength(0);
  });

  test('a session that the other side chokes on is not offered again', async () => {
    const server = await startScript(answerOnce, {
      tls: { ...named },
    });
    const offered: boolean[] = [];
    const relay = await startGathering(server.port, (hello) => {
      offered.push(offersSession(hello));
      return offered.at(-1) !== true;
    });
    const client = openDirect(atLocalhost(relay), { tls });
    const results = [];
    for (const name of ['1', '2', '3']) results.push(await client.post(HEADERS, Buffer.from(name)));
    expect(results).toMatchObject([{ status: 204 }, { kind: 'failed', reason: 'reset' }, { status: 204 }]);
    expect(offered).toEqual([false, true, false]);
  });

  test.each(['127.0.0.1', '::1'])('an address is what the certificate must be for: %s', async (host) => {
    const server = await startScript(echo, { tls: { ...addressed }, host });
    const url = new URL(server.url.href.replace('http:', 'https:'));
    expect(await openDirect(url, { tls }).post(HEADERS, Buffer.from('1'))).toMatchObject({ status: 200, message: '1' });
    // An address is never a name to ask for: https://www.rfc-editor.org/rfc/rfc6066#section-3
    expect(tlsOf(server)[0]?.servername).toBe(false);
    const other = await startScript(echo, { tls: { ...named }, host });
    const otherUrl = new URL(other.url.href.replace('http:', 'https:'));
    expect(await openDirect(otherUrl, { tls }).post(HEADERS, Buffer.from('1'))).toMatchObject({
      reason: 'tls_wrong_name',
    });
    const named2 = openDirect(otherUrl, { tls: { ...tls, servername: 'aps.example' } });
    expect(await named2.post(HEADERS, Buffer.from('1'))).toMatchObject({ status: 200 });
    expect(tlsOf(other).at(-1)?.servername).toBe('aps.example');
  });

  test('an answer comes byte by byte', async () => {
    const server = await startScript(
      ({ socket, body }) => {
        const text = `HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno \r\n1\r\n${body.toString()}\r\n0\r\n\r\n`;
        void writeBytewise(socket, text);
      },
      { tls: { ...named } },
    );
    const client = openDirect(atLocalhost(server), { tls });
    for (const name of ['1', '2']) {
      expect(await client.post(HEADERS, Buffer.from(name))).toMatchObject({ status: 400, message: `no ${name}` });
    }
    expect(server.sockets).toHaveLength(1);
  });

  test('a second answer, in a record of its own, is not the answer to the next request', async () => {
    const server = await startScript(
      (asked, index) => {
        if (index > 0) echo(asked);
        else for (const bytes of [OK, FORGED]) asked.socket.write(bytes);
      },
      { tls: { ...named } },
    );
    const relay = await startGathering(server.port);
    const client = openDirect(atLocalhost(relay), { tls });
    const results = await Promise.all(['1', '2', '3'].map(async (name) => client.post(HEADERS, Buffer.from(name))));
    expect(results[0]).toMatchObject({ status: 200, message: '' });
    expect(results.map(({ message }) => message)).not.toContain('forged');
    expect(results[2]).toMatchObject({ status: 200, message: '3' });
    expect(bodiesOf(server)).toEqual(['1', '3']);
  });

  test('an answer that came while the event loop was busy leaves the connection as it is', async () => {
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads');
      const server = require('node:tls').createServer(workerData.tls, (socket) => {
        parentPort.postMessage({ connected: true });
        socket.on('error', () => {}).on('data', () => socket.write(workerData.answer));
      });
      server.listen(0, '127.0.0.1', () => parentPort.postMessage({ port: server.address().port }));`,
      { eval: true, workerData: { tls: named, answer: OK } },
    );
    onTestFinished(async () => void (await worker.terminate()));
    let connections = 0;
    let port = 0;
    worker.on('message', (message: { port?: number }) => {
      if (message.port === undefined) connections += 1;
      else ({ port } = { port: message.port });
    });
    await until(() => port > 0, 'the server');
    const client = openDirect(new URL(`https://localhost:${port}/`), { tls });
    await client.post(HEADERS, Buffer.from('1'));
    for (let round = 0; round < 3; round += 1) {
      // Shards send from here; the end of a write over TLS is reported after the next look at the sockets.
      await new Promise(setImmediate);
      const result = client.post(HEADERS, Buffer.from('2'));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
      expect(await result).toMatchObject({ status: 200 });
    }
    expect(connections).toBe(1);
  });
});
