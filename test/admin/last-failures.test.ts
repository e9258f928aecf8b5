import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { AdminHosts } from '../../src/admin/hosts.ts';
import { lastFailures } from '../../src/admin/last-failures.ts';
import { makeAdminServer } from '../../src/admin/server.ts';
import { send } from '../support/receiving.ts';

const AT_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const PROBLEM = {
  code: '403',
  sender: '',
  message: 'series={tenant="secret"}',
  count: 1,
  firstAtMs: 0,
  lastAtMs: AT_MS,
};

const failuresOfTwo = (): string[] =>
  lastFailures([
    { name: 'a', failing: '403', problems: [PROBLEM] },
    { name: 'b', failing: null, problems: [] },
  ]);

test('/-/ready stays ready while AMP refuses, and says on a second line what failed last, without words of AMP', async () => {
  const access = { hosts: new AdminHosts([], ''), log: { warn: () => {} }, failures: failuresOfTwo };
  const server = makeAdminServer(new Registry(), () => ({ ready: true, reasons: [] }), access);
  try {
    const port = Number(new URL(await server.listen({ host: '127.0.0.1', port: 0 })).port);
    const { status, body } = await send(port, '/-/ready', undefined, {}, 'GET');
    expect(status).toBe(200);
    expect(body).toMatch(
      /^ready\nremote_write a: the last attempt failed at 2026-01-02T03:04:05.000Z: AMP answers 403 \(forbidden\) -> .*aps:RemoteWrite.*\n$/,
    );
    expect(body).not.toContain('secret');
  } finally {
    await server.close();
  }
});
