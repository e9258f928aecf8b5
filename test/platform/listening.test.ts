import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { listenOn, remoteAddress } from '../../src/platform/listening.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** A kernel that answers `code` for IPv6; every address that was tried is noted. */
function without6(code: string, tried: Address[]): (address: Address) => Promise<string> {
  return async (address) => {
    tried.push(address);
    if (address.host.includes(':')) throw Object.assign(new Error(code), { code });
    return `http://${address.host}:${address.port}`;
  };
}

test.each(['EAFNOSUPPORT', 'EADDRNOTAVAIL'])(
  'where IPv6 answers %s, [::] becomes 0.0.0.0 with a warning',
  async (code) => {
    const tried: Address[] = [];
    const warnings: string[] = [];
    const log = { warn: (_fields: object, message: string): void => void warnings.push(message) };
    expect(await listenOn({ host: '::', port: 8005 }, without6(code, tried), log)).toBe('http://0.0.0.0:8005');
    expect(tried).toEqual([
      { host: '::', port: 8005 },
      { host: '0.0.0.0', port: 8005 },
    ]);
    expect(warnings).toEqual(['there is no IPv6 here: listening on 0.0.0.0 instead of [::]']);
  },
);

test.each([
  [{ host: '::1', port: 8005 }, 'EADDRNOTAVAIL'],
  [{ host: '::', port: 8005 }, 'EADDRINUSE'],
])('an address %j that answers %s is an error', async (address, code) => {
  const log = { warn: (): void => undefined };
  await expect(listenOn(address, without6(code, []), log)).rejects.toThrow(code);
});

test('a connection of IPv4 to [::] has an address of IPv4', async ({ skip }) => {
  const server = createServer();
  onTestFinished(() => void server.close());
  const listening = once(server, 'listening');
  server.listen(0, '::');
  await listening.catch(() => skip('this machine has no IPv6'));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const client = connect(address.port, '127.0.0.1');
  onTestFinished(() => void client.destroy());
  const accepted = await new Promise<Socket>((resolve) => {
    server.once('connection', resolve);
  });
  expect(remoteAddress(accepted)).toBe('127.0.0.1');
  accepted.destroy();
});

test.each([
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['10.1.2.3', '10.1.2.3'],
  ['::1', '::1'],
  ['::ffff:1', '::ffff:1'],
  [undefined, ''],
])('the address %s is shown as %s', (address, shown) => {
  expect(remoteAddress({ remoteAddress: address })).toBe(shown);
});
