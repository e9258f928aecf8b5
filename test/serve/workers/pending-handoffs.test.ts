import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect, test, vi } from 'vitest';
import { PendingHandoffs } from '../../../src/serve/workers/pending-handoffs.ts';

/** A handle of Node's, as node:cluster passes it to `send`. */
function makeHandle(fd = 7) {
  return { fd, close: vi.fn<() => void>() };
}

test('connections that the dead worker never acknowledged are closed, the others are not', () => {
  const sent: unknown[][] = [];
  const process = { send: (...args: unknown[]) => sent.push(args) > 0 };
  const dealt = new PendingHandoffs(process);
  const [arrived, underway] = [makeHandle(), makeHandle()];
  expect(process.send({ act: 'newconn' }, arrived)).toBe(true);
  arrived.fd = -1;
  process.send({ act: 'newconn' }, underway);
  process.send({ kind: 'ask' }, undefined);
  expect(sent).toEqual([
    [{ act: 'newconn' }, arrived],
    [{ act: 'newconn' }, underway],
    [{ kind: 'ask' }, undefined],
  ]);
  dealt.closeAll();
  expect(arrived.close).not.toHaveBeenCalled();
  expect(underway.close).toHaveBeenCalledOnce();
});

test("what Node's own handles look like", async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- not in the types; node:cluster has the same object
  const { _handle: handle } = server as unknown as { _handle: { fd: number; close: () => void } };
  expect(handle.fd).toBeGreaterThan(0);
  server.close();
  await once(server, 'close');
  expect(handle.fd).toBeLessThan(0);
});
