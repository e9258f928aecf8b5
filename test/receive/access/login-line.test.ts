import { expect, test } from 'vitest';
import type { AuthResult } from '../../../src/receive/access/auth.ts';
import { LoginLine } from '../../../src/receive/access/login-line.ts';

interface Asked {
  readonly address: string;
  readonly answer: (result: AuthResult) => Promise<void>;
}

function makeLine(failures: Record<string, number> = {}) {
  let nowMs = 0;
  const asked: Asked[] = [];
  const line = new LoginLine({
    failuresOf: ({ address, account }) => failures[account] ?? failures[address] ?? 0,
    nowMs: () => nowMs,
  });
  const enter = (address: string, account = 'prom'): Promise<AuthResult> =>
    line.enter(
      { address, account },
      () =>
        new Promise((resolve) => {
          const answer = async (result: AuthResult): Promise<void> => {
            resolve(result);
            await new Promise((done) => setImmediate(done));
          };
          asked.push({ address, answer });
        }),
    );
  const pass = (ms: number): void => void (nowMs += ms);
  return { enter, asked, line, pass, order: () => asked.map(({ address }) => address) };
}

test('logins are checked one at a time, in order of arrival', async () => {
  const { enter, asked, order } = makeLine();
  const results = ['a', 'b', 'c'].map((address) => enter(address));
  expect(order()).toEqual(['a']);
  await asked[0]?.answer('refused');
  expect(order()).toEqual(['a', 'b']);
  await asked[1]?.answer('allowed');
  await asked[2]?.answer('busy');
  expect(await Promise.all(results)).toEqual(['refused', 'allowed', 'busy']);
});

test('an address without failures goes before those that have some, and fewer before more', async () => {
  const { enter, asked, order } = makeLine({ guesser: 50, unlucky: 1 });
  for (const address of ['first', 'guesser', 'unlucky', 'clean']) void enter(address);
  for (let served = 0; served < 3; served += 1) await asked[served]?.answer('refused');
  expect(order()).toEqual(['first', 'clean', 'unlucky', 'guesser']);
});

test('the login with the most failures loses its place when all places are taken', async () => {
  const { enter } = makeLine(Object.fromEntries(Array.from({ length: 15 }, (_, index) => [`g${index}`, index + 1])));
  void enter('first');
  const guessers = Array.from({ length: 15 }, (_, index) => enter(`g${index}`));
  const states = new Map<number, AuthResult>();
  for (const [index, guesser] of guessers.entries()) void guesser.then((result) => states.set(index, result));
  void enter('clean');
  await new Promise((done) => setImmediate(done));
  expect([...states]).toEqual([[14, 'busy']]);
  expect(await enter('g14')).toBe('busy');
});

test('the next guess waits four times as long as the last one took; a login without failures does not wait', async () => {
  const { enter, asked, order, pass } = makeLine({ guesser: 3 });
  void enter('guesser');
  void enter('guesser');
  pass(100);
  await asked[0]?.answer('refused');
  expect(order()).toEqual(['guesser']);
  void enter('clean');
  expect(order()).toEqual(['guesser', 'clean']);
  await asked[1]?.answer('allowed');
  expect(order()).toEqual(['guesser', 'clean']);
  pass(400);
  void enter('another');
  await asked[2]?.answer('allowed');
  expect(order()).toEqual(['guesser', 'clean', 'another', 'guesser']);
});

test('a check that fails is told to its sender, and does not stop the line', async () => {
  const { line } = makeLine();
  const failed = line.enter({ address: 'a', account: '' }, async () => Promise.reject(new Error('no thread')));
  await expect(failed).rejects.toThrow('no thread');
  expect(await line.enter({ address: 'b', account: '' }, async () => Promise.resolve('allowed'))).toBe('allowed');
});

test('a name has two places of the four of its address, so that others get in beside one that is guessed', async () => {
  const { enter, asked, order } = makeLine({ guessed: 9, guesser: 2 });
  void enter('guesser', 'guessed');
  void enter('guesser', 'guessed');
  expect(await enter('guesser', 'guessed')).toBe('busy');
  const fresh = enter('guesser', 'fresh');
  void enter('guesser', 'another');
  expect(await enter('guesser', 'one too many')).toBe('busy');
  await asked[0]?.answer('refused');
  expect(order()).toEqual(['guesser', 'guesser']);
  await asked[1]?.answer('allowed');
  expect(await fresh).toBe('allowed');
});
