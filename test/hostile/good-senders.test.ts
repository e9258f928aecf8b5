/** P7: who sends the worst requests that the limits let through keeps no other sender from its answers. */
import { expect, test } from 'vitest';
import { HOSTILE_KINDS } from '../support/hostile-bodies.ts';
import { sleep } from '../support/processes.ts';
import { startPair } from '../support/proxy.ts';
import { encodeBody } from '../support/sandbox-request.ts';
import { postBody } from '../support/sending.ts';

const SIZES = { bodyBytes: 10 << 20, rawBytes: 64 << 20 };
const ATTACK_MS = 3_000;
const ATTACKERS = 2;

/** Before there were limits on counts, a good sender had one answer in 11 s beside two that sent the first of these. */
test.each(['unknown groups', 'one series of empty samples', 'copies that repeat 15 bytes'])(
  'a good sender has its answers while two send %s again and again',
  { timeout: 60_000 },
  async (wanted) => {
    const { proxy } = await startPair();
    const body = HOSTILE_KINDS.find(({ name }) => name === wanted)?.make(SIZES) ?? Buffer.alloc(0);
    const endsAtMs = performance.now() + ATTACK_MS;
    const attack = async (): Promise<number> => {
      let sent = 0;
      for (; performance.now() < endsAtMs; sent += 1) await postBody(proxy.writeUrl, body);
      return sent;
    };
    const attackers = Array.from({ length: ATTACKERS }, attack);
    const tookMs: number[] = [];
    for (let i = 0; performance.now() < endsAtMs; i += 1) {
      const startedAtMs = performance.now();
      const { status } = await postBody(
        proxy.writeUrl,
        encodeBody([{ labels: { __name__: 'good' }, samples: [[Date.now(), i]] }]),
      );
      tookMs.push(performance.now() - startedAtMs);
      expect(status).toBe(204);
      await sleep(20);
    }
    const sent = await Promise.all(attackers);
    for (const count of sent) expect(count).toBeGreaterThan(0);
    const sorted = tookMs.toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1] ?? Infinity;
    if (process.env['HOSTILE_LONG'] === '1') {
      process.stdout.write(
        `${wanted}: ${sent.join(' and ')} attacks, ${tookMs.length} answers, median ${median.toFixed(0)} ms, longest ${(sorted.at(-1) ?? 0).toFixed(0)} ms\n`,
      );
    }
    // Wide, for machines that do other things too.
    expect(median).toBeLessThan(1_500);
  },
);
