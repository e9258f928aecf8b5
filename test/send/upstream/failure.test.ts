/** Each way in which no answer comes has a code of its own, a message that names the port, and a remedy. */
import { createServer as createTlsServer } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { explain } from '../../../src/outcome/explain.ts';
import { failedBy } from '../../../src/send/upstream/failure.ts';
import { openUpstream } from '../../../src/send/upstream/open-upstream.ts';
import { startBusyServer } from '../../support/busy-server.ts';
import { trySelfSigned } from '../../support/certificates.ts';
import { HEADERS } from '../../support/direct-upstream.ts';
import { closedPort, listening, startTcpServer, startUpstream } from '../../support/loopback.ts';

interface Failure {
  readonly reason: string;
  readonly message: string;
}

async function failureOf(url: string, proxyUrl?: string): Promise<Failure> {
  const given = { url: new URL(url), connections: 1, timeoutMs: 1_000, tls: { insecureSkipVerify: false } };
  const upstream = openUpstream(given, proxyUrl === undefined ? undefined : { url: proxyUrl });
  onTestFinished(async () => upstream.destroy());
  const answer = await upstream.post(HEADERS, Buffer.from('x'));
  if (answer.kind !== 'failed') throw new Error(`answered ${answer.status}`);
  return { reason: answer.reason, message: answer.message };
}

test('a port on which nobody listens is told from one whose packets are dropped, and both are named', async () => {
  const port = await closedPort();
  const refused = await failureOf(`http://127.0.0.1:${port}/`);
  expect(refused.reason).toBe('connect_refused');
  expect(refused.message).toContain(`127.0.0.1:${port}`);
  const busy = await startBusyServer();
  const blocked = await failureOf(`http://127.0.0.1:${busy.port}/`);
  expect(blocked.reason).toBe('connect_timeout');
  expect(blocked.message).toContain(`127.0.0.1:${busy.port}`);
  expect(explain('connect_timeout').remedy).toContain('NetworkPolicy');
  expect(explain('connect_refused').remedy).toContain('Nothing listens');
});

test.each(['EHOSTUNREACH', 'ENETUNREACH'])('an address without a route (%s) is told apart, with its port', (code) => {
  const error = Object.assign(new Error(`connect ${code} 10.0.0.1:8443 - Local (0.0.0.0:0)`), { code });
  expect(failedBy(error)).toMatchObject({
    reason: 'connect_unreachable',
    message: expect.stringContaining('10.0.0.1:8443'),
  });
  expect(explain('connect_unreachable').remedy).toContain('route');
});

test('an upstream that takes the connection and never answers the TLS handshake is no slow answer', async () => {
  await using server = await startTcpServer((socket) => socket.resume());
  const { reason, message } = await failureOf(`https://127.0.0.1:${server.port}/`);
  expect(reason).toBe('timeout');
  expect(message).toMatch(new RegExp(`127.0.0.1:${server.port} .*TLS handshake`));
});

test('TLS spoken to a port of plain HTTP is named', async () => {
  await using server = await startUpstream((_request, _index, response) => void response.end());
  const { reason } = await failureOf(`https://127.0.0.1:${server.port}/`);
  expect(reason).toBe('tls_on_plain_port');
  expect(explain(reason).remedy).toMatch(/url says https.*correct the port or the scheme/);
});

const certificate = trySelfSigned('IP:127.0.0.1');

test('plain HTTP spoken to a port of TLS is named by the alert that it answers', async () => {
  // A fatal alert, unexpected_message. https://www.rfc-editor.org/rfc/rfc8446#section-6
  const alert = Buffer.of(21, 3, 1, 0, 2, 2, 10);
  await using server = await startTcpServer((socket) => socket.once('data', () => socket.end(alert)));
  const { reason } = await failureOf(`http://127.0.0.1:${server.port}/`);
  expect(reason).toBe('plain_on_tls_port');
  expect(explain(reason).remedy).toContain('write https');
});

test.skipIf(certificate === undefined)(
  'a self-signed authority points to tls_config.ca_file, and never to a flag of Node',
  async () => {
    await using server = await listening(createTlsServer({ ...certificate }).on('tlsClientError', () => {}));
    const { reason, message } = await failureOf(`https://127.0.0.1:${server.port}/`);
    expect(reason).toBe('tls_untrusted');
    expect(message).toContain('(DEPTH_ZERO_SELF_SIGNED_CERT)');
    expect(`${message} ${explain(reason).remedy}`).toMatch(/^(?!.*--use).*tls_config\.ca_file/);
  },
);

test.each([
  [407, /name and a password .* proxy_url/],
  [403, /proxy's rules/],
  [502, /proxy itself cannot reach/],
])('an HTTP proxy that answers CONNECT with %i has a code of its own', async (status, remedy) => {
  await using proxy = await startTcpServer((socket) =>
    socket.once('data', () => socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`)),
  );
  const { reason, message } = await failureOf('https://aps.example/', `http://127.0.0.1:${proxy.port}`);
  expect(reason).toBe(`proxy_${status}`);
  expect(message).toContain(`answered CONNECT with ${status}`);
  expect(explain(reason).what).toContain(`(${status})`);
  expect(explain(reason).remedy).toMatch(remedy);
});
