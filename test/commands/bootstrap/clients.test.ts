import { once } from 'node:events';
import { createServer } from 'node:http';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { expect, onTestFinished, test } from 'vitest';
import { makeClients } from '../../../src/commands/bootstrap/clients.ts';

test('the clients go through the proxy of the environment, and around it where NO_PROXY says so', async () => {
  const targets: string[] = [];
  const proxy = createServer((request, response) => {
    targets.push(request.url ?? '');
    response.setHeader('content-type', 'text/xml');
    request
      .resume()
      .on('end', () =>
        response.end(
          '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>' +
            '<Arn>arn:aws:iam::123456789012:user/me</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>',
        ),
      );
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => void proxy.close());
  const address = proxy.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const here = `127.0.0.1:${address.port}`;
  const keys = { AWS_ACCESS_KEY_ID: 'AKID', AWS_SECRET_ACCESS_KEY: 's' };
  for (const [name, value] of Object.entries(keys)) process.env[name] = value;
  onTestFinished(() => {
    for (const name of Object.keys(keys)) delete process.env[name];
  });

  for (const env of [
    { http_proxy: `http://${here}`, AWS_ENDPOINT_URL_STS: 'http://sts.example.com' },
    { HTTP_PROXY: 'http://127.0.0.1:9', NO_PROXY: '127.0.0.1', AWS_ENDPOINT_URL_STS: `http://${here}` },
  ]) {
    const clients = makeClients('us-west-2', { ...env, AWS_MAX_ATTEMPTS: '1' });
    expect(await clients.sts.send(new GetCallerIdentityCommand({}))).toMatchObject({
      Arn: 'arn:aws:iam::123456789012:user/me',
    });
    clients.destroy();
  }
  expect(targets).toEqual(['http://sts.example.com/', '/']);
});
