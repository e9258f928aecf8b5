/** Connections follow DNS: when a connection upstream is used again, and when the next request looks the name up anew. */
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { openUpstream } from '../../../src/send/upstream/open-upstream.ts';
import type { Upstream, UpstreamOptions } from '../../../src/send/upstream/upstream.ts';
import { trySelfSigned } from '../../support/certificates.ts';
import { HEADERS, startScript } from '../../support/direct-upstream.ts';
import '../../support/lookup-hook.ts';
import { startTcpServer, until } from '../../support/loopback.ts';
import { temporaryDirectory } from '../../support/processes.ts';
import type { Asked, ScriptedUpstream } from '../../support/scripted-upstream.ts';

const MINUTE_MS = 60_000;
const NAME = 'aps.invalid';
const certificate = trySelfSigned('DNS:localhost');

type Way = 'over HTTP' | 'over TLS' | 'through a tunnel' | 'through a proxy in absolute form';
const ways: readonly Way[] = [
  'over HTTP',
  'through a proxy in absolute form',
  ...(certificate === undefined ? [] : (['over TLS', 'through a tunnel'] as const)),
];

let hostsFile = '';

beforeEach(async () => {
  hostsFile = path.join(await temporaryDirectory(), 'hosts.json');
  vi.stubEnv('TEST_HOSTS_FILE', hostsFile);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

async function pointTo(...addresses: string[]): Promise<void> {
  await writeFile(hostsFile, JSON.stringify({ [NAME]: addresses }));
}

type Reaction = (asked: Asked, index: number) => void;

/** At 127.0.0.1 and 127.0.0.2, on the same port; the name points to the first. */
async function startTwo(
  way: Way,
  reactOld: Reaction,
  reactNew: Reaction = answering(200),
): Promise<[ScriptedUpstream, ScriptedUpstream]> {
  const secure = way === 'over TLS' || way === 'through a tunnel';
  const options = secure ? { tls: { ...certificate } } : {};
  const old = await startScript(reactOld, options);
  const fresh = await startScript(reactNew, { ...options, host: '127.0.0.2', port: old.port });
  await pointTo('127.0.0.1');
  return [old, fresh];
}

/** Opens an upstream with one connection and no jitter, unless told otherwise. */
async function open(way: Way, port: number, options: Partial<UpstreamOptions> = {}): Promise<Upstream> {
  const given = { connections: 1, timeoutMs: 5000, tls: { insecureSkipVerify: true }, random: () => 0, ...options };
  const http = `http://${NAME}:${port}`;
  const https = `https://${NAME}:${port}`;
  const upstream = {
    'over HTTP': () => openUpstream({ url: new URL(http), ...given }, undefined),
    'over TLS': () => openUpstream({ url: new URL(https), ...given }, undefined),
    'through a tunnel': async () => openUpstream({ url: new URL(https), ...given }, { url: await startTunnelling() }),
    'through a proxy in absolute form': () =>
      openUpstream({ url: new URL('http://aps.example/'), ...given }, { url: http }),
  }[way]();
  onTestFinished(async () => (await upstream).destroy());
  return upstream;
}

/** A proxy that looks up the name in each CONNECT. @returns its URL */
async function startTunnelling(): Promise<string> {
  const proxy = await startTcpServer((socket) =>
    socket.once('data', (head: Buffer) => {
      const [, host = '', port] = /^CONNECT (\S+):(\d+) /.exec(head.toString('latin1')) ?? [];
      const tunnel = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        tunnel.pipe(socket).pipe(tunnel);
      });
      tunnel.on('error', () => socket.destroy());
      socket.on('close', () => tunnel.destroy());
    }),
  );
  onTestFinished(async () => proxy[Symbol.asyncDispose]());
  return `http://127.0.0.1:${proxy.port}`;
}

function answering(status: number): Reaction {
  return ({ socket }) =>
    void socket.write(`HTTP/1.1 ${status} X\r\n${status === 204 ? '' : 'Content-Length: 0\r\n'}\r\n`);
}

async function post(upstream: Upstream): Promise<number | string> {
  const answer = await upstream.post(HEADERS, Buffer.from('x'));
  return answer.kind === 'answered' ? answer.status : answer.reason;
}

function fakeClock(): void {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] });
}

/** Posts once a second, one post after the other. @returns the results, without repetitions */
async function postEachSecond(upstream: Upstream, seconds: number): Promise<Set<number | string>> {
  const seen = new Set<number | string>();
  for (let second = 0; second < seconds; second += 1) {
    seen.add(await post(upstream));
    vi.advanceTimersByTime(1000);
  }
  return seen;
}

describe.each(ways)('%s', (way) => {
  test.each([500, 503, 504, 404, 421])('after a %i the next request goes to where DNS points now', async (status) => {
    let failing = false;
    const [old, fresh] = await startTwo(way, (asked, index) => answering(failing ? status : 200)(asked, index));
    const upstream = await open(way, old.port);
    expect([await post(upstream), await post(upstream)]).toEqual([200, 200]);
    failing = true;
    await pointTo('127.0.0.2');
    expect([await post(upstream), await post(upstream), await post(upstream)]).toEqual([status, 200, 200]);
    expect([old.sockets.length, fresh.sockets.length]).toEqual([1, 1]);
  });

  test.each<[string, Reaction]>([
    ['reset', ({ socket }) => void socket.destroy()],
    ['timeout', () => {}],
    ['garbage', ({ socket }) => void socket.write('SSH-2.0-OpenSSH_9.9\r\n\r\n')],
  ])('after a failure the next request goes to where DNS points now: %s', async (reason, react) => {
    const [old] = await startTwo(way, react);
    const upstream = await open(way, old.port, { timeoutMs: 300 });
    const first = post(upstream);
    await until(() => old.requests.length === 1, 'the first request');
    await pointTo('127.0.0.2');
    expect([await first, await post(upstream)]).toEqual([reason, 200]);
  });

  test('every request of several at once that fails is followed by one to where DNS points now', async () => {
    const [old, fresh] = await startTwo(way, (asked) => {
      if (old.requests.length === 4) for (const each of old.requests) answering(503)(each, 0);
      else if (old.requests.length > 4) answering(503)(asked, 0);
    });
    const upstream = await open(way, old.port, { connections: 4 });
    const four = async (): Promise<(number | string)[]> =>
      Promise.all(Array.from({ length: 4 }, async () => post(upstream)));
    const first = four();
    await until(() => old.requests.length === 4, 'four requests');
    await pointTo('127.0.0.2');
    expect(await first).toEqual([503, 503, 503, 503]);
    expect(await four()).toEqual([200, 200, 200, 200]);
    expect([old.requests.length, fresh.requests.length]).toEqual([4, 4]);
  });

  test.each([200, 204, 400, 401, 403, 413, 429])('after a %i the connection is used again', async (status) => {
    const [old] = await startTwo(way, answering(status));
    const upstream = await open(way, old.port);
    for (let count = 0; count < 4; count += 1) expect(await post(upstream)).toBe(status);
    expect(old.sockets).toHaveLength(1);
  });

  test('a connection is replaced after 5 minutes of traffic, and no request fails', async () => {
    fakeClock();
    const [old, fresh] = await startTwo(way, answering(200));
    const upstream = await open(way, old.port);
    // One request in the last second before the limit is still carried.
    expect(await postEachSecond(upstream, 299)).toEqual(new Set([200]));
    expect(old.sockets).toHaveLength(1);
    await pointTo('127.0.0.2');
    expect(await postEachSecond(upstream, 310)).toEqual(new Set([200]));
    expect([old.sockets.length, fresh.sockets.length]).toEqual([1, 2]);
    expect(old.requests.length + fresh.requests.length).toBe(609);
    expect(old.requests.length).toBeLessThanOrEqual(301);
  });

  test('a connection that grows too old during a request is not cut, and carries no other request', async () => {
    fakeClock();
    const asked: Asked[] = [];
    const [old, fresh] = await startTwo(way, (each) => void asked.push(each));
    const upstream = await open(way, old.port);
    const first = post(upstream);
    await until(() => asked.length === 1, 'the request');
    vi.advanceTimersByTime(6 * MINUTE_MS);
    await sleep(20);
    await pointTo('127.0.0.2');
    for (const each of asked) answering(200)(each, 0);
    expect([await first, await post(upstream)]).toEqual([200, 200]);
    expect([old.requests.length, fresh.requests.length]).toEqual([1, 1]);
    await old.idle();
  });

  test('an idle connection that grows too old is closed, though nobody asks for one', async () => {
    fakeClock();
    const [old] = await startTwo(way, answering(200));
    const upstream = await open(way, old.port);
    await postEachSecond(upstream, 297);
    await sleep(20);
    expect(old.sockets[0]?.closed).toBe(false);
    vi.advanceTimersByTime(4_000);
    await old.idle();
    expect(old.sockets).toHaveLength(1);
  });

  test('connections that are made at once grow old at different times, up to a tenth earlier', async () => {
    fakeClock();
    const [old] = await startTwo(way, () => {
      if (old.requests.length % 3 === 0) for (const each of old.requests.slice(-3)) answering(200)(each, 0);
    });
    const drawn = [0, 0.5, 0.999];
    const upstream = await open(way, old.port, { connections: 3, random: () => drawn.shift() ?? 0 });
    const postThree = async (): Promise<unknown> =>
      Promise.all(Array.from({ length: 3 }, async () => upstream.post(HEADERS, Buffer.from('x'))));
    const madeAfterSeconds: number[] = [];
    for (let second = 0; second < 305; second += 1) {
      await postThree();
      while (madeAfterSeconds.length < old.sockets.length) madeAfterSeconds.push(second);
      vi.advanceTimersByTime(1000);
    }
    const [, , , ...replaced] = madeAfterSeconds;
    expect(replaced).toHaveLength(3);
    // 5 minutes, less 10 %, 5 % and nothing. An idle connection may be closed by the look before that.
    for (const [index, expected] of [270, 285, 300].entries()) {
      expect(replaced[index]).toBeGreaterThanOrEqual(expected - 1);
      expect(replaced[index]).toBeLessThanOrEqual(expected + 1);
    }
  });

  test('no request fails while connections are replaced under many requests at once', async () => {
    fakeClock();
    const [old] = await startTwo(way, (asked, index) => void setTimeout(() => answering(200)(asked, index), index % 4));
    const upstream = await open(way, old.port, { connections: 4, random: Math.random });
    const seen = new Set<number | string>();
    const send = async (): Promise<void> => {
      for (let count = 0; count < 60; count += 1) {
        seen.add(await post(upstream));
        vi.advanceTimersByTime(3000);
      }
    };
    await Promise.all(Array.from({ length: 8 }, send));
    expect(seen).toEqual(new Set([200]));
    // 24 minutes with four connections that last from 4.5 to 5 minutes.
    expect(old.sockets.length).toBeGreaterThanOrEqual(4 * 4);
    expect(old.requests).toHaveLength(480);
    // The server may see the end of each after the beginning of the one that replaces it.
    expect(old.mostOpen).toBeLessThanOrEqual(8);
  });

  test('no more requests are in flight than connections', async () => {
    let inFlight = 0;
    let most = 0;
    const [old] = await startTwo(way, (asked, index) => {
      most = Math.max(most, (inFlight += 1));
      setTimeout(() => {
        inFlight -= 1;
        answering(200)(asked, index);
      }, 20);
    });
    const upstream = await open(way, old.port, { connections: 2 });
    const results = await Promise.all(Array.from({ length: 8 }, async () => post(upstream)));
    expect(results).toEqual(Array(8).fill(200));
    expect(most).toBe(2);
  });
});
