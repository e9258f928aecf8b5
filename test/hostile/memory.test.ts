/** P5: under the worst requests the proxy stays below the memory of its container, and others are served. */
import { describe, expect, test } from 'vitest';
import { limitMemory } from '../support/memory-limit.ts';
import { sleep } from '../support/processes.ts';
import { startPair, type ProxyProcess } from '../support/proxy.ts';
import { residentBytes } from '../support/scene.ts';
import { encodeBody } from '../support/sandbox-request.ts';
import { postBody } from '../support/sending.ts';
import { stretched } from '../support/slowness.ts';
import { HOSTILE_KINDS } from '../support/hostile-bodies.ts';

/** The value that the chart derives from 512Mi (charts/amp-write-proxy/templates/_derived.tpl). */
const CONTAINER_BYTES = 512 * 1024 * 1024;
const LIMITS = { max_body_bytes: '10MiB', max_decoded_bytes: '64MiB', max_inflight_bytes: '102MiB' };
const NODE_OPTIONS = '--max-old-space-size=153';
const SIZES = { bodyBytes: 10 << 20, rawBytes: 64 << 20 };

const GOOD = encodeBody([{ labels: { __name__: 'up' }, samples: [[1000, 1]] }]);

/** Sent again as a sender does, for as long as it is told 503. */
async function post(proxy: ProxyProcess, body: Buffer): Promise<number> {
  for (let attempt = 0; ; attempt += 1) {
    const { status } = await postBody(proxy.writeUrl, body);
    if (status !== 503 || attempt === 20) return status;
    await sleep(100);
  }
}

interface Limited {
  readonly proxy: ProxyProcess;
  readonly peakBytes: () => number;
}

/** A reason where this machine cannot limit a process. */
async function startLimited(): Promise<Limited | string> {
  const { proxy } = await startPair({}, { limits: LIMITS, env: { NODE_OPTIONS } });
  const before = await residentBytes(proxy);
  const limit = limitMemory(proxy.child.pid ?? 0, CONTAINER_BYTES - before);
  return typeof limit === 'string' ? limit : { proxy, peakBytes: () => before + limit.peakBytes() };
}

/** The long form, which `npm run hostile` tells how to run, has ten of the first kind too; each is 70 requests upstream. */
const isLong = process.env['HOSTILE_LONG'] === '1';

describe('in a container of 512Mi', () => {
  test.for([
    ['one request of many pieces', 1, [madeOf('many pieces')]],
    ['ten requests of other kinds', 10, ['copies that repeat 15 bytes', 'unknown groups'].map(madeOf)],
    ...(isLong
      ? [['ten requests of many pieces', 10, [madeOf('many pieces'), madeOf('incompressible')]] as const]
      : []),
  ] as const)('%s at once', { timeout: stretched(240_000) }, async ([_what, count, bodies], { skip }) => {
    const limited = await startLimited();
    if (typeof limited === 'string') return skip(limited);
    const { proxy, peakBytes } = limited;
    for (const body of bodies) {
      const statuses = await Promise.all(Array.from({ length: count }, async () => post(proxy, body)));
      for (const status of statuses) expect([204, 400, 413, 503]).toContain(status);
    }
    // The system ends a process that goes over its limit.
    expect((await postBody(proxy.writeUrl, GOOD)).status).toBe(204);
    expect(peakBytes()).toBeLessThan(CONTAINER_BYTES);
    if (isLong) process.stdout.write(`peak ${(peakBytes() / 2 ** 20).toFixed(0)} MiB\n`);
  });
});

function madeOf(wanted: string): Buffer {
  return HOSTILE_KINDS.find(({ name }) => name === wanted)?.make(SIZES) ?? Buffer.alloc(0);
}
