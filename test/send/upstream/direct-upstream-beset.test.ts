/** Many requests at once, of an upstream that does whatever it pleases. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { PROPERTY_TIMEOUT_MS, runs } from '../../support/arbitrary-runs.ts';
import { trySelfSigned } from '../../support/certificates.ts';
import { FORGED, HEADERS, openDirect } from '../../support/direct-upstream.ts';
import { startScriptedUpstream, type Asked } from '../../support/scripted-upstream.ts';

const MISDEEDS = [
  'answer',
  'answer',
  'answer in pieces',
  'answer and close',
  'answer and end',
  'answer and more',
  'refuse',
  'end',
  'reset',
  'half',
  'garbage',
  'nothing',
] as const;

/** After the others there is none. */
const ANSWERING = MISDEEDS.filter((how) => how.startsWith('answer') || how === 'refuse');
const CONNECTIONS = 3;
const certificate = trySelfSigned('DNS:localhost');

/** Its number, then a filling that tells memory of its own from that of another. */
function bodyOf(id: number, bytes: number): Buffer {
  const body = Buffer.alloc(bytes, 65 + (id % 26));
  body.write(`${String(id).padStart(6, '0')} `);
  return body;
}

function idOf({ body }: Asked): number {
  return Number(body.toString('latin1', 0, 6));
}

async function misbehave({ socket, body }: Asked, how: (typeof MISDEEDS)[number]): Promise<void> {
  const told = body.toString('latin1', 0, 6);
  const answer = (lines = ''): string => `HTTP/1.1 200 OK\r\n${lines}Content-Length: 6\r\n\r\n${told}`;
  if (how === 'answer') socket.write(answer());
  if (how === 'answer and close') socket.end(answer('Connection: close\r\n'));
  if (how === 'answer and end') socket.end(answer());
  if (how === 'answer and more') socket.write(answer() + FORGED);
  if (how === 'refuse') socket.write(`HTTP/1.1 400 No\r\nContent-Length: 6\r\n\r\n${told}`);
  if (how === 'end') socket.end();
  if (how === 'reset') socket.destroy();
  if (how === 'half') socket.end(answer().slice(0, -3));
  if (how === 'garbage') socket.write('garbage');
  if (how === 'answer in pieces') {
    const text = answer();
    for (let at = 0; at < text.length; at += 9) {
      socket.write(text.slice(at, at + 9));
      await new Promise(setImmediate);
    }
  }
}

const plan = fc.array(
  fc.record({
    how: fc.constantFrom(...MISDEEDS),
    bytes: fc.constantFrom(10, 10, 1000, 300_000),
    afterMs: fc.nat({ max: 20 }),
  }),
  { minLength: 1, maxLength: 20 },
);

const SECURE: readonly [string, boolean][] = certificate === undefined ? [] : [['over TLS', true]];

test.each<[string, boolean]>([['over TCP', false], ...SECURE])(
  'each gets its own answer or none, goes out once at most, and none is left (%s)',
  { timeout: PROPERTY_TIMEOUT_MS },
  async (_what, secure) => {
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(plan, async (steps) => {
        const open = new Set<number>();
        let most = 0;
        let foreign = false;
        await using server = await startScriptedUpstream(
          (asked) => {
            const id = idOf(asked);
            if (pending.has(id)) open.add(id);
            most = Math.max(most, open.size);
            void misbehave(asked, steps[id]?.how ?? 'reset');
          },
          {
            ...(secure ? { tls: { ...certificate } } : {}),
            connected: (socket) => socket.on('data', (bytes) => (foreign ||= bytes.includes('#'))),
          },
        );
        const pending = new Set(steps.keys());
        const url = new URL(secure ? `https://localhost:${server.port}/` : server.url);
        const tls = { ca: certificate?.cert, insecureSkipVerify: false };
        const client = openDirect(url, { connections: CONNECTIONS, timeoutMs: 150, tls });
        const results = await Promise.all(
          steps.map(async ({ bytes, afterMs }, id) => {
            if (afterMs > 0) await sleep(afterMs);
            const body = bodyOf(id, bytes);
            const result = await client.post(HEADERS, body);
            // The pool does this when another request gets this memory.
            body.fill('#');
            pending.delete(id);
            open.delete(id);
            return result;
          }),
        );
        await client.destroy();
        await server.idle();
        for (const [id, result] of results.entries()) {
          if (result.kind === 'failed') continue;
          answered += 1;
          const status = steps[id]?.how === 'refuse' ? 400 : 200;
          expect(result).toMatchObject({ status, message: String(id).padStart(6, '0') });
          expect(ANSWERING).toContain(steps[id]?.how);
        }
        const ids = server.requests.map(idOf);
        expect(new Set(ids).size).toBe(ids.length);
        for (const asked of server.requests) {
          expect(asked.body.equals(bodyOf(idOf(asked), asked.body.length))).toBe(true);
        }
        expect(foreign).toBe(false);
        expect(most).toBeLessThanOrEqual(CONNECTIONS);
      }),
      runs(20),
    );
    expect(answered).toBeGreaterThan(0);
  },
);
