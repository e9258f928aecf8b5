/**
 * A post to the upstream, beside undici: CPU of this process, since most of a post is waiting. The sink is the bench's.
 *
 *     node bench/micro/post.ts [seconds for each figure]
 */
import path from 'node:path';
import { Pool } from 'undici';
import { DirectUpstream } from '../../src/send/upstream/direct-upstream.ts';
import { RemoteWriteSigner } from '../../src/aws/sigv4.ts';
import { BenchProcess, stopAll } from '../rig/children.ts';
import { sinkSnapshot, sinkStarted, type SinkCommand, type SinkSnapshot } from '../rig/messages.ts';
import { compare } from './measure.ts';

const CONNECTIONS = 4;
const TIMEOUT_MS = 30_000;
const IDENTITY = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret', sessionToken: 't'.repeat(900) };

const { first } = await BenchProcess.start<SinkCommand, SinkSnapshot, { port: number }>(
  path.join(import.meta.dirname, '..', 'rig', 'sink.ts'),
  { requireSignature: true },
  { first: sinkStarted, answer: sinkSnapshot },
);
const url = new URL(`http://127.0.0.1:${first.port}/workspaces/ws-1/api/v1/remote_write`);
const headers = new RemoteWriteSigner(url, 'eu-central-1').sign(Buffer.alloc(0), IDENTITY, new Date());
const tls = { insecureSkipVerify: false };
const direct = new DirectUpstream({ url, connections: CONNECTIONS, timeoutMs: TIMEOUT_MS, tls });
const pool = new Pool(url.origin, { connections: CONNECTIONS, pipelining: 1, headersTimeout: TIMEOUT_MS });

async function measure(bodyBytes: number): Promise<void> {
  const body = Buffer.alloc(bodyBytes, 7);
  await compare({ title: `${bodyBytes} bytes`, unit: 'post', operations: 1, countsCpu: true, beside: ['undici'] }, [
    {
      name: 'undici',
      work: async () => {
        const answer = await pool.request({ path: url.pathname, method: 'POST', headers, body });
        await answer.body.dump();
      },
    },
    {
      name: 'direct',
      work: async () => {
        const answer = await direct.post(headers, body);
        if (answer.kind === 'failed') throw new Error(answer.message);
      },
    },
  ]);
}

try {
  await measure(6_000);
  await measure(100_000);
  await measure(500_000);
  await Promise.all([direct.destroy(), pool.destroy()]);
} finally {
  await stopAll();
}
