/** Compares the answers that our own client accepts with those of undici, whose parser shares nothing with it. */
import type { Socket } from 'node:net';
import * as fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { Pool } from 'undici';
import { AnswerReader } from '../../../src/send/upstream/answer-reader.ts';
import { DirectUpstream } from '../../../src/send/upstream/direct-upstream.ts';
import type { UpstreamAnswer } from '../../../src/outcome/outcome.ts';
import { cutAt, cuts } from '../../support/answer-reading.ts';
import { mutated, mutation, wellFormed } from '../../support/arbitrary-answer.ts';
import { PROPERTY_TIMEOUT_MS, runs } from '../../support/arbitrary-runs.ts';
import { startTcpServer, type LoopbackServer } from '../../support/loopback.ts';

/** The server's answer to every request. */
interface Script {
  readonly pieces: readonly Buffer[];
  /** It ends the connection then. */
  readonly ends: boolean;
}

interface Seen {
  readonly status: number;
  readonly message: string;
  readonly retryAfter: string | undefined;
  readonly date: string | undefined;
  readonly errorType: string | undefined;
}

let cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
  cleanups = [];
});

async function startScripted(script: () => Script): Promise<LoopbackServer & { connections(): number }> {
  let connections = 0;
  const server = await startTcpServer((socket) => {
    connections += 1;
    socket.setNoDelay(true);
    let asked = '';
    socket.on('data', (chunk) => {
      asked += chunk.toString('latin1');
      if (!asked.endsWith('\r\n\r\nx')) return;
      asked = '';
      void write(socket, script());
    });
  });
  cleanups.push(async () => server[Symbol.asyncDispose]());
  return { ...server, connections: () => connections };
}

async function write(socket: Socket, { pieces, ends }: Script): Promise<void> {
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await new Promise(setImmediate);
    socket.write(piece);
  }
  if (ends) socket.end();
}

interface Pair {
  readonly ours: () => Promise<Seen | undefined>;
  readonly theirs: () => Promise<Seen | undefined>;
}

function clients(url: URL): Pair {
  const direct = new DirectUpstream({ url, connections: 1, timeoutMs: 5000, tls: { insecureSkipVerify: false } });
  const pool = new Pool(url.origin, { connections: 1, pipelining: 1, allowH2: false });
  cleanups.push(
    async () => direct.destroy(),
    async () => pool.destroy(),
  );
  return {
    ours: async () => seenBy(await direct.post(['host', 'x'], Buffer.from('x'))),
    theirs: async () => {
      try {
        const { statusCode, headers, body } = await pool.request({ path: '/', method: 'POST', body: 'x' });
        const message = (await body.text()).slice(0, 1024);
        return {
          status: statusCode,
          message,
          retryAfter: first(headers['retry-after']),
          date: first(headers['date']),
          errorType: first(headers['x-amzn-errortype']),
        };
      } catch {
        return undefined;
      }
    },
  };
}

function seenBy(answer: UpstreamAnswer): Seen | undefined {
  if (answer.kind === 'failed') return undefined;
  const { status, message, retryAfter, date, errorType } = answer;
  return { status, message, retryAfter, date, errorType };
}

function first(value: string | string[] | undefined): string | undefined {
  // llhttp leaves blanks at the end of a value.
  return (Array.isArray(value) ? value[0] : value)?.trim();
}

/**
 * Detects the answers that only undici refuses: interim answers that RFC 9110 (section 15.2) has ignored, blanks after
 * a length (5.5).
 */
function isRefusedInVain(wire: string): boolean {
  return /HTTP\/1\.(?:0 1\d\d|1 100|1 1\d\d[^]*?connection:[^\r\n]*close[^]*?\r\n\r\nHTTP)|content-length:[\t ]*\d+[\t ]/i.test(
    wire,
  );
}

/** Without what follows the answer: undici fails it then if it comes at the same moment, and ours only ends the connection. */
function whatCounts(wire: Buffer): Buffer {
  const reader = new AnswerReader();
  reader.begin();
  try {
    for (let at = 0; at < wire.length; at += 1)
      if (reader.push(wire.subarray(at, at + 1))) return wire.subarray(0, at + 1);
  } catch {
    // It is none, and undici may say what it likes.
  }
  return wire;
}

test('every answer that is well formed is read as by undici', { timeout: PROPERTY_TIMEOUT_MS }, async () => {
  let script: Script = { pieces: [], ends: false };
  const server = await startScripted(() => script);
  const { ours, theirs } = clients(server.url);
  let asked = 0;
  await fc.assert(
    fc.asyncProperty(wellFormed, cuts, async ({ wire, ends }, at) => {
      script = { pieces: cutAt(Buffer.from(wire, 'latin1'), at), ends };
      asked += 2;
      const [seen, expected] = await Promise.all([ours(), theirs()]);
      expect(expected).toBeDefined();
      expect(seen).toEqual(expected);
    }),
    runs(400),
  );
  expect(server.connections()).toBeLessThan(asked);
});

test(
  'a malformed answer is a fault unless undici reads the same answer',
  { timeout: PROPERTY_TIMEOUT_MS },
  async () => {
    let script: Script = { pieces: [], ends: true };
    const server = await startScripted(() => script);
    const { ours, theirs } = clients(server.url);
    let answered = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        wellFormed,
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        cuts,
        async ({ wire }, changes, at) => {
          const changed = changes.reduce(mutated, wire);
          fc.pre(!isRefusedInVain(changed));
          script = { pieces: cutAt(whatCounts(Buffer.from(changed, 'latin1')), at), ends: true };
          const [seen, expected] = await Promise.all([ours(), theirs()]);
          if (seen === undefined) refused += 1;
          else answered += 1;
          expect([undefined, expected?.status]).toContain(seen?.status);
        },
      ),
      runs(800),
    );
    expect(answered).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  },
);
