/** The query port in this process, in front of an upstream that follows a script. */
import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { UpstreamClock } from '../../src/aws/clock.ts';
import { credentialsSource } from '../../src/aws/credentials-source.ts';
import { Credentials } from '../../src/aws/credentials.ts';
import { parseConfig } from '../../src/config/load.ts';
import { Metrics } from '../../src/metrics/metrics.ts';
import { CredentialsMetrics } from '../../src/metrics/counts.ts';
import { QueryPort } from '../../src/serve/query-port.ts';
import { startUpstream, type LoopbackUpstream, type Reaction } from './loopback.ts';

type Section = Readonly<Record<string, unknown>>;

export interface Reading {
  /** The URL that readers query. */
  readonly url: string;
  readonly upstream: LoopbackUpstream;
  readonly port: QueryPort;
  /** The log lines, as level, fields and message. */
  readonly logged: readonly string[];
  /** The number of requests for credentials. */
  readonly refreshes: () => number;
  /** The value of a metric, over all labels that are not given. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
}

export const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';

export async function startReading(
  react: Reaction,
  { query = {}, server = {}, log = {} }: { query?: Section; server?: Section; log?: Section } = {},
): Promise<Reading> {
  const upstream = await startUpstream(react);
  const origin = upstream.url.origin;
  const { config } = parseConfig(
    JSON.stringify({
      server: { query_listen: '127.0.0.1:0', ...server },
      query,
      log,
      remote_write: [
        { name: 'first', url: `${origin}/workspaces/ws-1/api/v1/remote_write`, sigv4: { region: 'us-west-2' } },
        { name: 'second', url: `${origin}/workspaces/ws-2/api/v1/remote_write`, sigv4: { region: 'eu-central-1' } },
      ],
    }),
    {},
  );
  const logged: string[] = [];
  const write =
    (level: string) =>
    (fields: object, message: string): void =>
      void logged.push(`${level} ${JSON.stringify(fields)} ${message}`);
  const logger = { info: write('info'), warn: write('warn'), error: write('error'), debug: write('debug') };
  let refreshes = 0;
  const destinations = await Promise.all(
    config.remote_write.map(async ({ name, url }) => {
      const credentials = new Credentials(
        () => async () => {
          refreshes += 1;
          return Promise.resolve({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: SECRET });
        },
        credentialsSource({}, {}),
        new CredentialsMetrics(),
        logger,
        Date.now,
        Math.random,
      );
      await credentials.refresh();
      return {
        name,
        workspaceId: /workspaces\/([^/]+)/.exec(url)?.[1],
        credentials,
        clock: new UpstreamClock(Date.now),
        tls: { insecureSkipVerify: false },
      };
    }),
  );
  const metrics = new Metrics({ version: 'test' });
  const { query_listen: listen } = config.server;
  if (listen === undefined) throw new Error('query_listen is set above');
  const port = new QueryPort(listen, config, destinations, metrics, undefined, logger);
  const url = await port.start();
  onTestFinished(async () => {
    for (const { credentials } of destinations) credentials.stop();
    await port.close();
    await upstream[Symbol.asyncDispose]();
  });
  return {
    url,
    upstream,
    port,
    logged,
    refreshes: () => refreshes,
    async metric(name, labels = {}) {
      const found = (await metrics.registry.getMetricsAsJSON()).find((one) => one.name === name);
      return (found?.values ?? [])
        .filter(({ labels: has }) => Object.entries(labels).every(([key, value]) => has[key] === value))
        .reduce((sum, { value }) => sum + value, 0);
    },
  };
}

export function sha256(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex');
}
