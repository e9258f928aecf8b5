/** Senders of several addresses that write until the test is over, as many Prometheus servers do. */
import { Agent } from 'node:http';
import { onTestFinished } from 'vitest';
import { encodeWriteRequest } from '../../../src/dev/demo/write-request.ts';
import { postBody } from '../../support/sending.ts';

export interface LoadOptions {
  readonly senders?: number;
  /** Series of the largest request; the others are smaller. */
  readonly series?: number;
  readonly everyMs?: number;
}

export function startLoad(writeUrl: string, { senders = 6, series = 300, everyMs = 100 }: LoadOptions = {}): void {
  const agents: Agent[] = [];
  const timers: NodeJS.Timeout[] = [];
  for (let index = 0; index < senders; index += 1) {
    // Elsewhere than on Linux the loopback network is one address.
    const address = process.platform === 'linux' ? { localAddress: `127.0.10.${index + 11}` } : {};
    const agent = new Agent({ keepAlive: true, maxSockets: 2, ...address });
    agents.push(agent);
    const size = Math.ceil(series / (index + 1));
    let open = false;
    timers.push(
      setInterval(() => {
        // Like Prometheus, it sends later samples of a series only after the answer to the earlier ones.
        if (open) return;
        open = true;
        void postBody(writeUrl, makeBody(`sender-${index}`, size), { agent }).finally(() => (open = false));
      }, everyMs),
    );
  }
  onTestFinished(() => {
    for (const timer of timers) clearInterval(timer);
    for (const agent of agents) agent.destroy();
  });
}

function makeBody(cluster: string, size: number): Buffer {
  const timestamp = Date.now();
  return encodeWriteRequest(
    Array.from({ length: size }, (_, index) => ({
      labels: { __name__: 'load_total', cluster, index: String(index), job: 'node-exporter' },
      samples: [{ value: index, timestamp }],
    })),
  );
}
