/** The behaviour of a fast-path connection while its sender's password is checked, which takes some time. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { expect, onTestFinished, test } from 'vitest';
import { Authenticator, type AuthResult } from '../../../../src/receive/access/auth.ts';
import { bodyOf, connectSender } from '../../../support/lane-sender.ts';
import { until } from '../../../support/loopback.ts';
import { sleep } from '../../../support/processes.ts';
import { rawRequest, startReceiver, type Receiver } from '../../../support/receiving.ts';

const RIGHT = 'Authorization: Basic bmFtZTpyaWdodA=='; // name:right
const WRONG = 'Authorization: Basic bmFtZTp3cm9uZw=='; // name:wrong

/** Checks passwords as ever, when it is let. */
class HeldAuthenticator extends Authenticator {
  readonly asked: (() => void)[] = [];
  checked = 0;

  override async check(header: string | undefined, nowMs: number, sender?: string): Promise<AuthResult> {
    await new Promise<void>((resolve) => {
      this.asked.push(resolve);
    });
    const result = await super.check(header, nowMs, sender);
    this.checked += 1;
    return result;
  }
}

async function startWithPasswords(): Promise<{ receiver: Receiver; auth: HeldAuthenticator }> {
  const folder = mkdtempSync(join(tmpdir(), 'amp-write-proxy-lane-'));
  const file = join(folder, 'passwords');
  writeFileSync(file, `name:${hashSync('right', 4)}\n`);
  const auth = new HeldAuthenticator({ basic_auth_file: file }, { info: () => {}, error: () => {} });
  onTestFinished(() => {
    auth.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return { receiver: await startReceiver({ auth, maxInflightBytes: 10_000_000 }), auth };
}

const body = bodyOf('checked', 90_000);
const request = rawRequest(body, [RIGHT]);
const headBytes = request.length - body.length;

test.each([
  ['nothing of the body', headBytes],
  ['some of the body', headBytes + 1000],
  ['all of the body', request.length],
])('%s has come by the time it was right: the rest is read', async (_what, early) => {
  const { receiver, auth } = await startWithPasswords();
  const sender = await connectSender(receiver.port);
  sender.socket.write(request.subarray(0, early));
  await until(() => auth.asked.length === 1, 'the password is asked for');
  await until(() => receiver.fastPath.keptBytes > 0 || early === headBytes, 'what came with it is kept');
  expect(receiver.budget.usedBytes).toBe(0);
  const other = await connectSender(receiver.port);
  other.socket.write(rawRequest(Buffer.alloc(20_000, 'x'))); // into the same buffer
  expect(await other.statuses(1)).toEqual([401]);
  auth.asked[0]?.();
  await until(() => receiver.budget.usedBytes > 0 || receiver.submitted.length > 0, 'the body is read');
  sender.socket.write(request.subarray(early));
  expect(await sender.statuses(1)).toEqual([204]);
  expect(receiver.submitted[0]?.parcel.body.equals(body)).toBe(true);
  expect([receiver.faults, receiver.fastPath.keptBytes]).toEqual([[], 0]);
  sender.socket.write(request);
  expect(await sender.statuses(2)).toEqual([204, 204]);
  await until(() => other.socket.closed, 'who shows no password is closed');
  expect([auth.asked.length, receiver.fastPath.fastPathConnections]).toEqual([1, 1]);
});

test('a body of no bytes is not waited for', async () => {
  const { receiver, auth } = await startWithPasswords();
  const sender = await connectSender(receiver.port);
  sender.socket.write(rawRequest(Buffer.alloc(0), [RIGHT]));
  await until(() => auth.asked.length === 1, 'the password is asked for');
  auth.asked[0]?.();
  expect(await sender.statuses(1)).toEqual([400]);
  expect(receiver.faults).toEqual([]);
});

test('it is wrong: the body is thrown away, and the connection is closed', async () => {
  const { receiver, auth } = await startWithPasswords();
  const sender = await connectSender(receiver.port);
  const wrong = rawRequest(body, [WRONG]);
  sender.socket.write(wrong.subarray(0, 20_000));
  await until(() => receiver.fastPath.keptBytes > 0, 'what came of it is kept');
  auth.asked[0]?.();
  expect(await sender.statuses(1)).toEqual([401]);
  expect(sender.text()).toMatch(/^www-authenticate: Basic/im);
  expect(sender.text()).toMatch(/^connection: close/im);
  sender.socket.write(wrong.subarray(20_000));
  sender.socket.write(request);
  await until(() => sender.socket.closed, 'the connection is closed');
  expect([auth.asked.length, receiver.submitted.length, receiver.fastPath.keptBytes]).toEqual([1, 0, 0]);
  await until(() => receiver.fastPath.fastPathConnections === 0, 'the connection is forgotten');
});

test.each([true, false])('the sender goes away (what it sent is kept: %s): nothing is left of it', async (kept) => {
  const { receiver, auth } = await startWithPasswords();
  const sender = await connectSender(receiver.port);
  sender.socket.write(request.subarray(0, kept ? headBytes + 1000 : headBytes));
  await until(() => auth.asked.length === 1 && receiver.fastPath.keptBytes > 0 === kept, 'the password is asked for');
  sender.socket.resetAndDestroy();
  if (!kept) await until(() => receiver.fastPath.fastPathConnections === 0, 'its going is seen');
  auth.asked[0]?.();
  await until(() => auth.checked === 1, 'the password is checked');
  await sleep(0);
  await until(() => receiver.fastPath.fastPathConnections === 0, 'the connection is forgotten');
  await until(() => receiver.budget.usedBytes === 0, 'the reservation is given back');
  expect([receiver.route.open, receiver.fastPath.keptBytes, receiver.submitted.length]).toEqual([0, 0, 0]);
});
