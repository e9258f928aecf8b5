/**
 * A second verifier of our signatures, beside the sandbox: the request as it really left the proxy is captured on a bare
 * socket, and botocore, the signer of the AWS CLI, has to come to the same Authorization header.
 */
import { spawnSync } from 'node:child_process';
import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ROOT, run, temporaryDirectory } from '../support/processes.ts';
import { findProgram } from '../support/program.ts';
import { startProxy } from '../support/proxy.ts';
import { LedgerSender } from '../support/sending.ts';

const SCRIPT = path.join(ROOT, 'test/support/botocore_signature.py');
const PYTHON = findProgram('python3', 'PYTHON_BIN');
const BOTOCORE =
  PYTHON !== undefined &&
  spawnSync(PYTHON, [SCRIPT], { input: '{"probe": true}', encoding: 'utf8' }).stdout.includes('botocore is here');

interface Captured {
  readonly method: string;
  readonly target: string;
  /** The headers as received. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

const CASES = [
  { name: 'a long-lived key', path: '/workspaces/ws-EXAMPLE/api/v1/remote_write', region: 'us-west-2' },
  { name: 'a path that has to be escaped', path: '/gateway/a b/ü~(x)*/%2F/remote_write', region: 'eu-central-1' },
  { name: 'a session token', path: '/workspaces/ws-1/api/v1/remote_write', region: 'us-gov-west-1', token: true },
] as const;

test.skipIf(!BOTOCORE).each(CASES)('botocore signs the same request in the same way: $name', async (row) => {
  const captured: Captured[] = [];
  const server = createServer((request, response) => {
    void capture(request)
      .then((one) => captured.push(one))
      .finally(() => response.end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  const origin = `http://127.0.0.1:${address.port}`;
  const keys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
  const sessionToken = 'token' in row ? 'IQoJb3JpZ2luX2VjEXAMPLE+/session=token==' : undefined;
  const sigv4 = { access_key: keys.accessKeyId, secret_key: keys.secretAccessKey };
  const proxy = await startProxy({
    remoteWrite: [
      { url: `${origin}${row.path}`, sigv4: { region: row.region, ...(sessionToken === undefined ? sigv4 : {}) } },
    ],
    ...(sessionToken === undefined
      ? {}
      : {
          env: {
            AWS_ACCESS_KEY_ID: keys.accessKeyId,
            AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
            AWS_SESSION_TOKEN: sessionToken,
            HOME: await temporaryDirectory(),
          },
        }),
  });
  const sender = new LedgerSender(proxy.writeUrl, { name: 'signed' });
  for (const size of [1, 300]) expect(await sender.send(sender.makeSeries(size))).toMatchObject({ status: 204 });
  sender.close();

  expect(captured).toHaveLength(2);
  for (const { method, target, headers, body } of captured) {
    const byName = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]));
    const authorization = byName.get('authorization') ?? '';
    const signedNames = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';') ?? [];
    const input = JSON.stringify({
      method,
      url: `${origin}${target}`,
      bodyHex: body.toString('hex'),
      // botocore signs what it is given, and these names are what the proxy says that it signed.
      headers: headers.filter(([name]) => signedNames.includes(name.toLowerCase())),
      timestamp: byName.get('x-amz-date'),
      region: row.region,
      ...keys,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    });
    const { stdout, stderr, status } = await run(PYTHON ?? '', [SCRIPT], { input });
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(authorization).toBe(stdout.trim());
    expect(signedNames).toEqual(expect.arrayContaining(['host', 'x-amz-content-sha256', 'x-amz-date']));
    expect(byName.get('x-amz-security-token')).toBe(sessionToken);
  }
});

async function capture(request: IncomingMessage): Promise<Captured> {
  const chunks: Buffer[] = [];
  // An IncomingMessage without an encoding yields Buffers.
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const { rawHeaders, method = '', url: target = '' } = request;
  const headers = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ''] as const] : [],
  );
  return { method, target, headers, body: Buffer.concat(chunks) };
}
