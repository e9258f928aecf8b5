/**
 * A post to the upstream, beside undici: CPU of this process, since most of a post is waiting. The sink is the bench's.
 *
 *     node bench/micro/post.ts [seconds for each figure]
 */
import path from 'node:path';
import { Pool } from 'undici';
import { DirectUpstream } from '../../src/send/direct-upstream.ts';
import { RemoteWriteSigner } from '../../src/sign/sigv4.ts';
import { BenchProcess, stopAll } from '../children.ts';
import { sinkSnapshot, sinkStarted, type SinkCommand, type SinkSnapshot } from '../messages.ts';

const SECONDS = Number(process.argv[2] ?? 1);
const POSTS_IN_A_TURN = 500;
const CONNECTIONS = 4;
const TIMEOUT_MS = 30_000;
const IDENTITY = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret', sessionToken: 't'.repeat(900) };

type Post = (body: Buffer) => Promise<unknown>;
type Cost = { readonly cpuMicroseconds: number; readonly wallMicroseconds: number };

/** Of one post, one after another. */
async function turn(post: Post, body: Buffer): Promise<Cost> {
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  for (let index = 0; index < POSTS_IN_A_TURN; index += 1) await post(body);
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    cpuMicroseconds: (user + system) / POSTS_IN_A_TURN,
    wallMicroseconds: ((performance.now() - startMs) * 1000) / POSTS_IN_A_TURN,
  };
}

async function measure(bodyBytes: number, contenders: Readonly<Record<string, Post>>): Promise<void> {
  const body = Buffer.alloc(bodyBytes, 7);
  const best = new Map<string, Cost>();
  const endMs = performance.now() + SECONDS * 1000 * Object.keys(contenders).length;
  do {
    for (const [name, post] of Object.entries(contenders)) {
      const cost = await turn(post, body);
      if (cost.cpuMicroseconds < (best.get(name)?.cpuMicroseconds ?? Infinity)) best.set(name, cost);
    }
  } while (performance.now() < endMs);
  console.log(`\n${bodyBytes} bytes`);
  for (const [name, { cpuMicroseconds, wallMicroseconds }] of best) {
    console.log(`  ${name.padEnd(8)} ${cpuMicroseconds.toFixed(1)} us CPU  ${wallMicroseconds.toFixed(1)} us`);
  }
}

try {
  const { first } = await BenchProcess.start<SinkCommand, SinkSnapshot, { port: number }>(
    path.join(import.meta.dirname, '..', 'sink.ts'),
    { requireSignature: true },
    { first: sinkStarted, answer: sinkSnapshot },
  );
  const url = new URL(`http://127.0.0.1:${first.port}/workspaces/ws-1/api/v1/remote_write`);
  const headers = new RemoteWriteSigner(url, 'eu-central-1').sign(Buffer.alloc(0), IDENTITY, new Date());
  const tls = { insecureSkipVerify: false };
  const direct = new DirectUpstream({ url, connections: CONNECTIONS, timeoutMs: TIMEOUT_MS, tls });
  const pool = new Pool(url.origin, { connections: CONNECTIONS, pipelining: 1, headersTimeout: TIMEOUT_MS });
  const contenders = {
    direct: async (body: Buffer): Promise<void> => {
      const answer = await direct.post(headers, body);
      if (answer.kind === 'failed') throw new Error(answer.message);
    },
    undici: async (body: Buffer): Promise<void> => {
      const answer = await pool.request({ path: url.pathname, method: 'POST', headers, body });
      await answer.body.dump();
    },
  };
  for (const bodyBytes of [6_000, 100_000, 500_000]) await measure(bodyBytes, contenders);
  await Promise.all([direct.destroy(), pool.destroy()]);
} finally {
  await stopAll();
}
