/**
 * `amp-write-proxy probe`: proves delivery from outside, as `helm test` does. It writes one sample to the proxy, which
 * signs and forwards it, and answers 2xx only when AMP has; then it reads the proxy's metrics until the count of
 * delivered samples has risen.
 *
 * The admin host may stand for several pods (a headless Service); the counts of all its addresses are added up, for the
 * write may have gone to any of them.
 *
 * Exit status: 0 delivered, 1 not, 2 for wrong usage.
 */
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseCommandLine, wrongUsage } from './arguments.ts';
import { Agent, request } from 'undici';
import { encodeProbe } from './probe-request.ts';

const HELP = `Usage: amp-write-proxy probe --write-url URL --metrics-url URL [options]

Writes one sample through the proxy and reads its metrics back: 0 when it was delivered, 1 with the reason when not.

  --write-url URL            where senders point remote_write
  --metrics-url URL          /metrics on the admin port; every address of its host is asked
  --metric NAME              name of the sample's series (amp_write_proxy_probe)
  --bearer-token-file FILE   for a proxy with server.auth.bearer_token_file
  --ca-file FILE             authority of the proxy's certificate, PEM
  --timeout SECONDS          for all of it (60)
`;

const OPTIONS = {
  'write-url': { type: 'string' },
  'metrics-url': { type: 'string' },
  metric: { type: 'string', default: 'amp_write_proxy_probe' },
  'bearer-token-file': { type: 'string' },
  'ca-file': { type: 'string' },
  timeout: { type: 'string', default: '60' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const PAUSE_MS = 500;
const DELIVERED = /^amp_write_proxy_samples_delivered_total(?:\{.*\})? (\S+)$/gmu;

export async function main(args: string[]): Promise<number> {
  const values = parseCommandLine(args, OPTIONS, HELP);
  if (typeof values === 'number') return values;
  const { 'write-url': writeUrl, 'metrics-url': metricsUrl, metric, timeout } = values;
  if (writeUrl === undefined || metricsUrl === undefined || !(Number(timeout) > 0)) {
    return wrongUsage('--write-url and --metrics-url are needed, and a --timeout above 0', HELP);
  }
  const { 'bearer-token-file': tokenFile, 'ca-file': caFile } = values;
  try {
    const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
    const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
    await probe({ writeUrl, metricsUrl, metric, token, ca, timeoutMs: Number(timeout) * 1000 });
    return 0;
  } catch (error) {
    process.stderr.write(`not delivered: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

interface Probe {
  readonly writeUrl: string;
  readonly metricsUrl: string;
  readonly metric: string;
  readonly token: string | undefined;
  readonly ca: string | undefined;
  readonly timeoutMs: number;
}

async function probe({ writeUrl, metricsUrl, metric, token, ca, timeoutMs }: Probe): Promise<void> {
  const giveUpAtMs = Date.now() + timeoutMs;
  const agent = new Agent(ca === undefined ? {} : { connect: { ca } });
  try {
    const before = await until(giveUpAtMs, async () => deliveredAt(metricsUrl));
    await until(giveUpAtMs, async () => write(writeUrl, metric, token, agent));
    process.stdout.write(`${writeUrl}: 2xx, so AMP has answered 2xx\n`);
    const after = await until(giveUpAtMs, async () => {
      const count = await deliveredAt(metricsUrl);
      if (count > before) return count;
      throw new Error(`${metricsUrl} says ${count} samples are delivered, as before the probe`);
    });
    process.stdout.write(`${metricsUrl}: delivered ${before} -> ${after}\n`);
  } finally {
    await agent.close();
  }
}

/** A new pod may not be reachable yet, and a 503 asks for a retry. @throws the last failure when the time is over */
async function until<T>(giveUpAtMs: number, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof FinalError || Date.now() + PAUSE_MS >= giveUpAtMs) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** An answer that a retry would not change. */
class FinalError extends Error {}

const ATTEMPT_MS = 30_000;

async function write(url: string, metric: string, token: string | undefined, dispatcher: Agent): Promise<void> {
  const body = encodeProbe({
    labels: { __name__: metric, job: 'amp-write-proxy-probe' },
    value: 1,
    timestampMs: Date.now(),
  });
  const response = await request(url, {
    method: 'POST',
    dispatcher,
    signal: AbortSignal.timeout(ATTEMPT_MS),
    headers: {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body,
  });
  const text = (await response.body.text()).trim();
  if (response.statusCode >= 200 && response.statusCode < 300) return;
  const message = `${url} answers ${response.statusCode}: ${text}`;
  throw response.statusCode >= 500 ? new Error(message) : new FinalError(message);
}

/** Adds up the samples of all addresses of the host and all destinations. */
async function deliveredAt(metricsUrl: string): Promise<number> {
  const url = new URL(metricsUrl);
  const addresses = await lookup(url.hostname.replaceAll(/^\[|\]$/gu, ''), { all: true });
  const counts = await Promise.all(
    addresses.map(async ({ address, family }) => {
      const pod = new URL(metricsUrl);
      pod.hostname = family === 6 ? `[${address}]` : address;
      return deliveredIn(pod);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function deliveredIn(url: URL): Promise<number> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ATTEMPT_MS) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url.href} answers ${response.status}`);
  return [...text.matchAll(DELIVERED)].reduce((sum, [, count]) => sum + Number(count), 0);
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
