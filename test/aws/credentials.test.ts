import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CredentialsMetrics } from '../../src/metrics/counts.ts';
import { credentialsSource } from '../../src/aws/credentials-source.ts';
import { Credentials } from '../../src/aws/credentials.ts';
import type { ExpiringIdentity } from '../../src/aws/provider.ts';

const MINUTE_MS = 60_000;

const source = credentialsSource({ profile: 'p', access_key: undefined, role_arn: undefined }, {});

interface Rig {
  readonly credentials: Credentials;
  readonly metrics: CredentialsMetrics;
  readonly calls: () => number;
  readonly messages: string[];
  /** The behaviour of the provider from now on. */
  provide: (call: number) => Promise<ExpiringIdentity>;
}

let rigs: Rig[] = [];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'], now: Date.UTC(2026, 0, 2) });
});

afterEach(() => {
  for (const { credentials } of rigs) credentials.stop();
  rigs = [];
  vi.useRealTimers();
});

/** An identity named by the call, good for so long. */
function identity(call: number, lifetimeMs?: number): ExpiringIdentity {
  const base = { accessKeyId: `AKID${call}`, secretAccessKey: 'top-secret' };
  return lifetimeMs === undefined ? base : { ...base, expiration: new Date(Date.now() + lifetimeMs) };
}

function makeRig(provide: Rig['provide'], random = 0): Rig {
  let calls = 0;
  const metrics = new CredentialsMetrics();
  const messages: string[] = [];
  const note = (fields: object, message: string): void => {
    messages.push(`${message} ${JSON.stringify(fields)}`);
  };
  const credentials = new Credentials(
    () => async () => {
      calls += 1;
      return rig.provide(calls);
    },
    source,
    metrics,
    { info: note, warn: note },
    () => Date.now(),
    () => random,
  );
  const rig: Rig = { credentials, metrics, calls: () => calls, messages, provide };
  rigs.push(rig);
  return rig;
}

const hang = async (): Promise<never> => new Promise<never>(() => {});

test('has none before the first refresh, and says so', () => {
  const { credentials } = makeRig(async (call) => Promise.resolve(identity(call)));
  expect(credentials.tryCurrent()).toBeUndefined();
  expect(credentials.lastError).not.toBe('');
});

test('keys without expiry are asked for once', async () => {
  const { credentials, calls } = makeRig(async (call) => Promise.resolve(identity(call)));
  await credentials.refresh();
  await vi.advanceTimersByTimeAsync(48 * 60 * MINUTE_MS);
  expect(credentials.tryCurrent()?.accessKeyId).toBe('AKID1');
  expect(calls()).toBe(1);
});

test('an identity of an hour is refreshed between 6 and 5 minutes before it expires', async () => {
  for (const random of [0, 0.999]) {
    const { credentials, calls } = makeRig(async (call) => Promise.resolve(identity(call, 60 * MINUTE_MS)), random);
    await credentials.refresh();
    await vi.advanceTimersByTimeAsync(53.9 * MINUTE_MS);
    expect(calls()).toBe(1);
    await vi.advanceTimersByTimeAsync(1.2 * MINUTE_MS);
    expect(calls()).toBe(2);
    expect(credentials.tryCurrent()?.accessKeyId).toBe('AKID2');
  }
});

test('a short-lived identity is refreshed at about two thirds of its life', async () => {
  const { credentials, calls } = makeRig(async (call) => Promise.resolve(identity(call, 3 * MINUTE_MS)));
  await credentials.refresh();
  await vi.advanceTimersByTimeAsync(1.9 * MINUTE_MS);
  expect(calls()).toBe(1);
  await vi.advanceTimersByTimeAsync(0.2 * MINUTE_MS);
  expect(calls()).toBe(2);
});

test('an expiry further away than a timer can count is no problem', async () => {
  const { credentials, calls } = makeRig(async (call) => Promise.resolve(identity(call, 400 * 24 * 60 * MINUTE_MS)));
  await credentials.refresh();
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect(calls()).toBe(1);
});

test('only one refresh runs at a time, and further callers join it', async () => {
  const { promise, resolve } = Promise.withResolvers<ExpiringIdentity>();
  const { credentials, calls } = makeRig(async () => promise);
  const all = [credentials.refresh(), credentials.refresh(), credentials.refreshRefused()];
  resolve(identity(1));
  await Promise.all(all);
  expect(calls()).toBe(1);
  expect(credentials.tryCurrent()).toBeDefined();
});

test('the last good identity is used after a failed refresh until it expires, and not longer', async () => {
  const rig = makeRig(async (call) => Promise.resolve(identity(call, 60 * MINUTE_MS)));
  await rig.credentials.refresh();
  rig.provide = async () => Promise.reject(new Error('STS is down'));
  await vi.advanceTimersByTimeAsync(59.9 * MINUTE_MS);
  expect(rig.calls()).toBeGreaterThan(1);
  expect(rig.credentials.tryCurrent()?.accessKeyId).toBe('AKID1');
  await vi.advanceTimersByTimeAsync(0.2 * MINUTE_MS);
  expect(rig.credentials.tryCurrent()).toBeUndefined();
  expect(rig.credentials.lastError).toContain('STS is down');
});

test('comes back by itself when the provider does', async () => {
  const rig = makeRig(async () => Promise.reject(new Error('no role')));
  await rig.credentials.refresh();
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS);
  rig.provide = async (call) => Promise.resolve(identity(call, 60 * MINUTE_MS));
  await vi.advanceTimersByTimeAsync(31_000);
  expect(rig.credentials.tryCurrent()).toBeDefined();
  expect(rig.credentials.lastError).toBe('');
});

test('backs off after failures: no more than once in 5 s in the long run while there is nothing to sign with', async () => {
  const rig = makeRig(async () => Promise.reject(new Error('no')), 0.999);
  await rig.credentials.refresh();
  await vi.advanceTimersByTimeAsync(60 * MINUTE_MS);
  // 3600 s / 10 s at the longest wait, and a few quick ones at first.
  expect(rig.calls()).toBeGreaterThan(350);
  expect(rig.calls()).toBeLessThan(380);
});

test('backs off in the last seconds before expiry too, however often an identity is asked for', async () => {
  const rig = makeRig(async (call) => Promise.resolve(identity(call, 60 * MINUTE_MS)));
  await rig.credentials.refresh();
  rig.provide = async () => Promise.reject(new Error('STS is down'));
  await vi.advanceTimersByTimeAsync(59 * MINUTE_MS + 51_000);
  const before = rig.calls();
  // 9 seconds of signing, 100 times a second.
  for (let index = 0; index < 850; index += 1) {
    rig.credentials.tryCurrent();
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(rig.calls() - before).toBeLessThan(15);
});

test('backs off when what it gets is expired already, instead of asking every second', async () => {
  const rig = makeRig(async (call) => Promise.resolve(identity(call, -MINUTE_MS)));
  await rig.credentials.refresh();
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS);
  expect(rig.calls()).toBeLessThan(130);
});

test('says why there is none when what it got is expired already', async () => {
  const rig = makeRig(async (call) => Promise.resolve(identity(call, -MINUTE_MS)));
  await rig.credentials.refresh();
  expect(rig.credentials.tryCurrent()).toBeUndefined();
  expect(rig.credentials.lastError).toContain('expired');
});

test('a provider that hangs is left behind, and asked anew', async () => {
  const rig = makeRig(hang);
  const first = rig.credentials.refresh();
  await vi.advanceTimersByTimeAsync(7_000);
  expect(rig.credentials.lastError).toBe('waiting for the profile p, for 7 s so far');
  await vi.advanceTimersByTimeAsync(3_000);
  await first;
  expect(rig.credentials.lastError).toBe('no answer from the profile p within 10000 ms');
  expect(rig.metrics.failure).toBe(1);
  expect(rig.credentials.lastError).toContain('10000 ms');
  rig.provide = async (call) => Promise.resolve(identity(call));
  await vi.advanceTimersByTimeAsync(2_100);
  expect(rig.credentials.tryCurrent()?.accessKeyId).toBe('AKID2');
});

test('a provider that answers after it was left behind does not replace a newer identity', async () => {
  const late = Promise.withResolvers<ExpiringIdentity>();
  const rig = makeRig(async (call) => (call === 1 ? late.promise : Promise.resolve(identity(call))));
  const first = rig.credentials.refresh();
  await vi.advanceTimersByTimeAsync(10_000);
  await first;
  await vi.advanceTimersByTimeAsync(2_100);
  late.resolve(identity(1));
  await vi.advanceTimersByTimeAsync(10);
  expect(rig.credentials.tryCurrent()?.accessKeyId).toBe('AKID2');
});

test('a provider that throws while it is made is a failure like any other', async () => {
  const credentials = new Credentials(
    () => {
      throw new TypeError('bad profile');
    },
    source,
    new CredentialsMetrics(),
    { info: () => {}, warn: () => {} },
    () => Date.now(),
    () => 0,
  );
  await credentials.refresh();
  credentials.stop();
  expect(credentials.lastError).toBe('TypeError: bad profile');
});

test('a refresh that a refusal asks for is done once in 5 seconds', async () => {
  const rig = makeRig(async (call) => Promise.resolve(identity(call)));
  await rig.credentials.refresh();
  await rig.credentials.refreshRefused();
  expect(rig.calls()).toBe(1);
  await vi.advanceTimersByTimeAsync(5_000);
  await rig.credentials.refreshRefused();
  await rig.credentials.refreshRefused();
  expect(rig.calls()).toBe(2);
});

test('a refresh that a refusal asks for leaves one timer, that of the new expiry', async () => {
  const rig = makeRig(async (call) => Promise.resolve(identity(call, 60 * MINUTE_MS)));
  await rig.credentials.refresh();
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS);
  await rig.credentials.refreshRefused();
  expect([rig.calls(), vi.getTimerCount()]).toEqual([2, 1]);
  // The first identity would have been refreshed after 55 minutes, the second is after 65.
  await vi.advanceTimersByTimeAsync(54 * MINUTE_MS);
  expect(rig.calls()).toBe(2);
  await vi.advanceTimersByTimeAsync(2 * MINUTE_MS);
  expect(rig.calls()).toBe(3);
});

test('a refresh that a refusal asks for leaves one timer when it fails, too', async () => {
  const rig = makeRig(async (call) => Promise.resolve(identity(call, 60 * MINUTE_MS)));
  await rig.credentials.refresh();
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS);
  rig.provide = async () => Promise.reject(new Error('STS is down'));
  await rig.credentials.refreshRefused();
  expect([rig.calls(), vi.getTimerCount()]).toEqual([2, 1]);
  rig.provide = async (call) => Promise.resolve(identity(call, 60 * MINUTE_MS));
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect([rig.calls(), vi.getTimerCount()]).toEqual([3, 1]);
  await vi.advanceTimersByTimeAsync(53 * MINUTE_MS);
  expect(rig.calls()).toBe(3);
});

test('a refusal still refreshes after this clock was set back, as it is when it was wrong', async () => {
  const rig = makeRig(async (call) => Promise.resolve(identity(call)));
  await rig.credentials.refresh();
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  vi.setSystemTime(Date.now() - 60 * MINUTE_MS);
  await rig.credentials.refreshRefused();
  expect(rig.calls()).toBe(2);
});

test('stop ends the schedule', async () => {
  const rig = makeRig(async (call) => Promise.resolve(identity(call, 60 * MINUTE_MS)));
  await rig.credentials.refresh();
  rig.credentials.stop();
  await vi.advanceTimersByTimeAsync(24 * 60 * MINUTE_MS);
  expect(rig.calls()).toBe(1);
});

test('stop during a refresh ends the schedule too', async () => {
  const slow = Promise.withResolvers<ExpiringIdentity>();
  const rig = makeRig(async () => slow.promise);
  const refresh = rig.credentials.refresh();
  rig.credentials.stop();
  slow.resolve(identity(1, MINUTE_MS));
  await refresh;
  await vi.advanceTimersByTimeAsync(60 * MINUTE_MS);
  expect(rig.calls()).toBe(1);
});

test('counts refreshes, knows the expiry, and writes no secret', async () => {
  const rig = makeRig(async (call) => Promise.resolve(identity(call, 60 * MINUTE_MS)));
  await rig.credentials.refresh();
  expect(rig.metrics).toMatchObject({
    success: 1,
    failure: 0,
    expirationSeconds: (Date.now() + 60 * MINUTE_MS) / 1000,
  });
  rig.provide = async () => Promise.reject(new Error('no'));
  await rig.credentials.refresh();
  expect(rig.metrics).toMatchObject({ success: 1, failure: 1 });
  expect(rig.messages).toHaveLength(2);
  expect(rig.messages.join('\n')).not.toContain('top-secret');
});

test.each([
  ['AKID ', 'secret', 'access key'],
  ['AKID', 'secret\n', 'secret key'],
])('a key with white space in it is named, and not shown (%#)', async (accessKeyId, secretAccessKey, which) => {
  const rig = makeRig(async () => Promise.resolve({ accessKeyId, secretAccessKey }));
  await rig.credentials.refresh();
  expect(rig.credentials.tryCurrent()).toBeUndefined();
  expect(rig.credentials.lastError).toBe(`the ${which} that was given has white space in it`);
  expect(rig.credentials.lastRemedy).toContain('line end');
});
