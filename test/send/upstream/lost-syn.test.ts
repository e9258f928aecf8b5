/** A host name with an IPv4 and an IPv6 address, of which only the first is reachable, and that not at once. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openUpstream } from '../../../src/send/upstream/open-upstream.ts';
import { trySelfSigned } from '../../support/certificates.ts';
import { startBusyServer } from '../../support/busy-server.ts';
import { HEADERS } from '../../support/direct-upstream.ts';
import '../../support/lookup-hook.ts';
import { temporaryDirectory } from '../../support/processes.ts';

const certificate = trySelfSigned('DNS:localhost');

const tls = { insecureSkipVerify: true };

test.each([
  ['over HTTP', (port: number) => [`http://aps.invalid:${port}/`, undefined] as const],
  ...(certificate === undefined
    ? []
    : [['over TLS', (port: number) => [`https://aps.invalid:${port}/`, undefined] as const] as const]),
  ['to a proxy', (port: number) => ['http://aps.example/', `http://aps.invalid:${port}`] as const],
] as const)('a SYN that is lost on the way to the IPv4 address is sent again: %s', async (way, at) => {
  const hosts = path.join(await temporaryDirectory(), 'hosts.json');
  vi.stubEnv('TEST_HOSTS_FILE', hosts);
  onTestFinished(() => void vi.unstubAllEnvs());
  // Nothing listens at the IPv6 address.
  await writeFile(hosts, JSON.stringify({ 'aps.invalid': ['127.0.0.1', '::1'] }));
  const busy = await startBusyServer(way === 'over TLS' ? certificate : undefined);
  const [url, proxyUrl] = at(busy.port);
  const upstream = openUpstream(
    { url: new URL(url), connections: 1, timeoutMs: 10_000, tls },
    proxyUrl === undefined ? undefined : { url: proxyUrl },
  );
  onTestFinished(async () => upstream.destroy());
  const result = upstream.post(HEADERS, Buffer.from('x'));
  // The kernel sends the SYN again after a second. https://www.rfc-editor.org/rfc/rfc6298#section-2
  await sleep(600);
  busy.release();
  expect(await result).toMatchObject({ kind: 'answered', status: 200 });
});
