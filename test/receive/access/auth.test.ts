import { scryptSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BufferPool } from '../../../src/memory/buffer-pool.ts';
import { Kernel } from '../../../src/codec/kernel.ts';
import { KernelTurns } from '../../../src/codec/kernel-turns.ts';
import { Metrics } from '../../../src/metrics/metrics.ts';
import { ByteBudget } from '../../../src/receive/access/byte-budget.ts';
import { Authenticator, type AuthConfig, type AuthResult } from '../../../src/receive/access/auth.ts';
import { NodeExchange } from '../../../src/receive/http/node-exchange.ts';
import { WriteHandler } from '../../../src/receive/write-handler.ts';
import { listening, rawConnection, until } from '../../support/loopback.ts';

import { HEADERS } from '../../support/receiving.ts';

/**
 * Made with crypt(3) of libxcrypt: `perl -e 'print crypt("correct horse battery staple",
 * q($2b$05$abcdefghijklmnopqrstuu))'`.
 */
const BCRYPT = '$2b$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS';
const PASSWORD = 'correct horse battery staple';
/** The test vector of Openwall's crypt_blowfish (wrapper.c), as `htpasswd -B` would prefix it. */
const OPENWALL = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
/** RFC 7914, section 12: "pleaseletmein", "SodiumChloride", N 16384, r 8, p 1. */
const RFC_7914 =
  '$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$' +
  'cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw';
/** Made with Python's hashlib.scrypt of 'pässwörd:mit' as UTF-8. */
const UMLAUTS = '$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$dcY41o1ngbgs5xnB8KraGga7Cn58N9k4kJN2TTQfkAo';

let folder = '';
let file = '';
let made: Authenticator[] = [];
let errors: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'amp-write-proxy-auth-'));
  file = join(folder, 'credentials');
  // Only the timer of the watch.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  errors = [];
});

afterEach(() => {
  for (const authenticator of made) authenticator.stop();
  made = [];
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

function make(config: AuthConfig, content: string): Authenticator {
  writeFileSync(file, content);
  const log = { info: (): void => {}, error: (fields: object): void => void errors.push(JSON.stringify(fields)) };
  const authenticator = new Authenticator(config, log);
  made.push(authenticator);
  return authenticator;
}

const makeBearer = (content: string): Authenticator => make({ bearer_token_file: file }, content);
const makeBasic = (content: string): Authenticator => make({ basic_auth_file: file }, content);

async function replace(content: string): Promise<void> {
  writeFileSync(file, content);
  vi.advanceTimersByTime(6_000);
  await new Promise((resolve) => {
    setTimeout(resolve, 50);
  });
}

const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

/** Base64 as in a PHC string. */
const phc = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');

describe('a bearer token', () => {
  test('is allowed, and nothing else is', () => {
    const auth = makeBearer('s3cret-token\n');
    const check = (header: string | undefined): AuthResult | undefined => auth.tryCheck(header, 0);
    expect(auth.scheme).toBe('Bearer');
    expect(['Bearer s3cret-token', 'bearer s3cret-token', 'BEARER  s3cret-token'].map(check)).toEqual(
      Array(3).fill('allowed'),
    );
    const wrong = [undefined, '', 'Bearer', 'Bearer ', 's3cret-token', 'Bearer s3cret-toke', 'Bearer s3cret-tokens'];
    const others = [basic('s3cret-token', ''), 'Bearer S3CRET-TOKEN', 'Bearer s3cret-token,', 'Token s3cret-token'];
    for (const header of [...wrong, ...others]) expect([header, check(header)]).toEqual([header, 'refused']);
  });

  test.each([
    ['nothing', ''],
    ['white space', ' \n\n'],
    ['two tokens', 'first5ecret second5ecret'],
    ['two lines', 'first5ecret\nsecond5ecret\n'],
  ])('a file that holds %s is refused at the start, by its name and not by what it holds', (_what, content) => {
    expect(() => makeBearer(content)).toThrow(file);
    expect(() => makeBearer(content)).not.toThrow('5ecret');
  });

  test('a new token takes the place of the old one', async () => {
    const auth = makeBearer('old');
    await replace('new');
    expect([auth.tryCheck('Bearer new', 0), auth.tryCheck('Bearer old', 0)]).toEqual(['allowed', 'refused']);
  });

  test('a new file that is broken leaves the old token in force, and is logged without what it holds', async () => {
    const auth = makeBearer('old');
    await replace('half-of-a-secret and');
    expect([auth.tryCheck('Bearer old', 0), auth.tryCheck('Bearer half-of-a-secret', 0)]).toEqual([
      'allowed',
      'refused',
    ]);
    expect(errors).toHaveLength(1);
    expect(errors.join()).not.toContain('half-of-a-secret');
  });
});

describe('names and passwords', () => {
  const FILE = `# senders\r\n\nprom:${BCRYPT}\r\nopen:${OPENWALL}\nrfc:${RFC_7914}\njürgen:${UMLAUTS}\n`;

  test.each([
    ['bcrypt by crypt(3)', 'prom', PASSWORD],
    ['bcrypt with the prefix of htpasswd', 'open', 'U*U'],
    ['scrypt of RFC 7914', 'rfc', 'pleaseletmein'],
    ['a name and a password in UTF-8, the password with a colon', 'jürgen', 'pässwörd:mit'],
  ])('%s: the right one is allowed, others are not', async (_what, name, password) => {
    const auth = makeBasic(FILE);
    expect(auth.scheme).toBe('Basic');
    expect(await auth.check(basic(name, password), 0)).toBe('allowed');
    expect(await auth.check(basic(name, `${password} `), 0)).toBe('refused');
    expect(await auth.check(basic(name, `x${password}`), 0)).toBe('refused');
    expect(await auth.check(basic(name, ''), 0)).toBe('refused');
  });

  test('an unknown name is refused, also with the password of a known one', async () => {
    const auth = makeBasic(FILE);
    for (const name of ['nobody', '', 'Prom', '# senders', '__proto__', 'constructor']) {
      expect(await auth.check(basic(name, PASSWORD), 0)).toBe('refused');
    }
  });

  test('a name with the password of another is refused', async () => {
    expect(await makeBasic(FILE).check(basic('rfc', PASSWORD), 0)).toBe('refused');
  });

  test.each([
    undefined,
    '',
    'Basic',
    'Basic ',
    'Basic !!!!',
    'Basic cHJvbQ==',
    `Bearer ${PASSWORD}`,
    `Basic prom:${PASSWORD}`,
  ])('the header %j is refused', async (header) => {
    expect(await makeBasic(FILE).check(header, 0)).toBe('refused');
  });

  test('a correct password is remembered, and then allowed without a check', async () => {
    const auth = makeBasic(FILE);
    const header = basic('prom', PASSWORD);
    expect(auth.tryCheck(header, 0)).toBeUndefined();
    await auth.check(header, 0);
    expect(auth.tryCheck(header, 1e12)).toBe('allowed');
  });

  test('a wrong password is remembered as well, for 10 s', async () => {
    const auth = makeBasic(FILE);
    const header = basic('prom', 'wrong');
    await auth.check(header, 5000);
    expect(auth.tryCheck(header, 14_999)).toBe('refused');
    expect(auth.tryCheck(header, 15_000)).toBeUndefined();
  });

  test('the next unknown password behind 16 in the line gets busy; a known one does not', async () => {
    const auth = makeBasic(`prom:${BCRYPT}`);
    await auth.check(basic('prom', PASSWORD), 0);
    const checks = Array.from({ length: 18 }, async (_, index) =>
      auth.check(basic('prom', `wrong ${index}`), 0, `10.0.0.${index}`),
    );
    expect(await auth.check(basic('prom', PASSWORD), 0)).toBe('allowed');
    expect(await Promise.all(checks)).toEqual([...Array(16).fill('refused'), 'busy', 'busy']);
    expect(await auth.check(basic('prom', 'wrong 17'), 0)).toBe('refused');
  });

  test('an address has two places in the line, so that it keeps no other from being checked', async () => {
    const auth = makeBasic(`prom:${BCRYPT}`);
    const guesses = Array.from({ length: 5 }, async (_, index) =>
      auth.check(basic('prom', `wrong ${index}`), 0, '10.0.0.1'),
    );
    const other = auth.check(basic('prom', PASSWORD), 0, '10.0.0.2');
    expect(await Promise.all(guesses)).toEqual(['refused', 'refused', 'busy', 'busy', 'busy']);
    expect(await other).toBe('allowed');
  });

  test('bcrypt: what is beyond its 72 bytes does not pass unread', async () => {
    const long = 'x'.repeat(72);
    const auth = makeBasic(`prom:${hashSync(long, 4)}`);
    expect(await auth.check(basic('prom', long), 0)).toBe('allowed');
    expect(await auth.check(basic('prom', `${long}more`), 0)).toBe('refused');
  });

  test('a login that waits in the line twice is checked once', async () => {
    const auth = makeBasic(`prom:${BCRYPT}`);
    const header = basic('prom', PASSWORD);
    const results = await Promise.all(Array.from({ length: 16 }, async () => auth.check(header, 0)));
    expect(results).toEqual(Array(16).fill('allowed'));
  });
});

describe('a password file that changes', () => {
  test('a name that was removed from the file is refused, although it was known; a new name is allowed', async () => {
    const auth = makeBasic(`prom:${BCRYPT}`);
    const refusedAtFirst = basic('open', 'U*U');
    expect(await auth.check(basic('prom', PASSWORD), 0)).toBe('allowed');
    expect(await auth.check(refusedAtFirst, 0)).toBe('refused');
    await replace(`open:${OPENWALL}`);
    expect(await auth.check(basic('prom', PASSWORD), 1)).toBe('refused');
    expect(await auth.check(refusedAtFirst, 1)).toBe('allowed');
  });

  test('a verdict by the old file is none', async () => {
    const auth = makeBasic(`rfc:${RFC_7914.replace('ln=14', 'ln=16')}`);
    const checked = auth.check(basic('open', 'U*U'), 0);
    await replace(`open:${OPENWALL}`);
    expect(['busy', 'allowed']).toContain(await checked);
    expect(await auth.check(basic('open', 'U*U'), 1)).toBe('allowed');
  });

  test('the last good file stays in force when the new one is broken', async () => {
    const auth = makeBasic(`prom:${BCRYPT}`);
    await replace(`open:${OPENWALL}\nprom:pa55word-in-the-clear`);
    expect(await auth.check(basic('prom', PASSWORD), 0)).toBe('allowed');
    expect(await auth.check(basic('open', 'U*U'), 0)).toBe('refused');
    expect(errors.join()).toContain('line 2');
    expect(errors.join()).not.toContain('pa55word');
  });
});

describe('files that are refused at the start, by file and line', () => {
  test.each([
    ['nothing in it', '\n# nobody\n'],
    ['a line without a colon', 'prom'],
    ['a line without a name', `:${BCRYPT}`],
    ['a password in the clear', 'prom:secret'],
    ['MD5 as htpasswd writes it by default', 'prom:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00'],
    ['a bcrypt hash that was cut off', `prom:${BCRYPT.slice(0, -1)}`],
    ['a scrypt hash without a hash', 'prom:$scrypt$ln=14,r=8,p=1$U29kaXVt$'],
    [
      'a scrypt hash that was cut off after a few bytes, which many passwords would match',
      'prom:$scrypt$ln=4,r=8,p=1$U29kaXVt$cCO9',
    ],
    ['a scrypt hash of no bytes, which every password matches', 'prom:$scrypt$ln=4,r=8,p=1$U29kaXVt$c'],
    ['a scrypt hash that asks for more memory than is given', `prom:${RFC_7914.replace('ln=14', 'ln=30')}`],
    ['a scrypt hash with parameters that are none', `prom:${RFC_7914.replace('r=8', 'r=0')}`],
    ['a bcrypt hash that asks for years', `prom:${BCRYPT.replace('$05$', '$31$')}`],
    ['a bcrypt hash with a cost that is none', `prom:${BCRYPT.replace('$05$', '$99$')}`],
  ])('%s', (_what, content) => {
    expect(() => makeBasic(content)).toThrow(file);
  });

  test('a file that is missing', () => {
    expect(() => new Authenticator({ basic_auth_file: join(folder, 'missing') }, console)).toThrow('missing');
  });
});

test('no password passes for a hash that was cut off to nothing', async () => {
  let auth;
  try {
    auth = makeBasic('prom:$scrypt$ln=4,r=8,p=1$U29kaXVt$c');
  } catch {
    return; // refused: as good
  }
  expect(await auth.check(basic('prom', 'anything'), 0)).not.toBe('allowed');
});

test('a sender that goes away while its password is checked leaves nothing reserved', async () => {
  const salt = Buffer.from('0123456789abcdef');
  const key = scryptSync('pw', salt, 32, { N: 2 ** 16, r: 8, p: 1, maxmem: 2 ** 28 });
  const auth = makeBasic(`prom:$scrypt$ln=16,r=8,p=1$${phc(salt)}$${phc(key)}`);
  const budget = new ByteBudget(1_000_000);
  const log = { error: (): void => {}, warn: (): void => {} };
  const kernel = new Kernel({ maxBodyBytes: 100_000, maxDecodedBytes: 1 << 20 });
  const metrics = new Metrics({ version: 'test' });
  const turns = new KernelTurns(kernel, () => 0);
  const deps = { kernel, turns, budget, pool: new BufferPool(0), maxBodyBytes: 100_000, metrics, log, auth };
  const route = new WriteHandler({ ...deps, nowMs: () => 0, maxConnectionAgeMs: 0, random: () => 0 });
  const destination = { name: 'default', accept: () => ({ trySettle: () => false }) };
  const server = createServer((request, response) => {
    route.handle(new NodeExchange(request, response), destination);
  });
  await using started = await listening(server);
  const socket = await rawConnection(started.port);
  const head = [`Authorization: ${basic('prom', 'pw')}`, ...Object.entries(HEADERS).map((pair) => pair.join(': '))];
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n${head.join('\r\n')}\r\n\r\nx`);
  const checked = vi.spyOn(auth, 'check');
  await until(() => checked.mock.calls.length === 1, 'the check begins');
  socket.destroy();
  // It waits in the same line, behind the other.
  expect(await auth.check(basic('prom', 'wrong'), 0)).toBe('refused');
  await until(() => budget.usedBytes === 0, 'nothing is reserved', 1000);
});
