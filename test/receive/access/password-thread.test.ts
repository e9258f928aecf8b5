import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { hashSync } from 'bcryptjs';
import { expect, onTestFinished, test } from 'vitest';
import { PasswordThread } from '../../../src/receive/access/password-thread.ts';
import { ROOT, run, temporaryDirectory } from '../../support/processes.ts';

function make(main?: URL, timeoutMs?: number): { thread: PasswordThread; logged: object[] } {
  const logged: object[] = [];
  const thread = new PasswordThread({ error: (fields) => void logged.push(fields) }, main, timeoutMs);
  onTestFinished(() => thread.stop());
  return { thread, logged };
}

/** A thread that does this with its questions. */
async function threadThat(source: string): Promise<URL> {
  const file = path.join(await temporaryDirectory(), 'main.mjs');
  const head = "import { parentPort } from 'node:worker_threads';";
  writeFileSync(file, `${head} parentPort.on('message', ({ password }) => { ${source} });`);
  return pathToFileURL(file);
}

test('the event loop turns while a password is checked', async () => {
  const { thread } = make();
  const slow = hashSync('right', 10);
  expect(await thread.matches('right', hashSync('right', 4))).toBe(true);
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  expect(await thread.matches('wrong', slow)).toBe(false);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(5);
});

test('a thread that crashes is told of in the log, and the next password has another', async () => {
  const main = await threadThat("if (password === 'crash') throw new Error('a bug'); parentPort.postMessage(true);");
  const { thread, logged } = make(main);
  expect(await thread.matches('one', '')).toBe(true);
  await expect(thread.matches('crash', '')).rejects.toThrow('a bug');
  expect(logged).toEqual([{ how: 'a bug' }]);
  expect(await thread.matches('two', '')).toBe(true);
  expect(logged).toHaveLength(1);
});

test('a thread that exits or hangs is replaced', async () => {
  const main = await threadThat(
    "if (password === 'exit') process.exit(3); if (password !== 'hang') parentPort.postMessage(true);",
  );
  const { thread, logged } = make(main, 400);
  await expect(thread.matches('exit', '')).rejects.toThrow('exit status 3');
  await expect(thread.matches('hang', '')).rejects.toThrow('took more than 400 ms');
  expect(await thread.matches('one', '')).toBe(true);
  expect(logged).toHaveLength(2);
});

test('a process ends though its thread lives', async () => {
  const module = pathToFileURL(path.join(ROOT, 'src/receive/access/password-thread.ts')).href;
  const source = `
    const { PasswordThread } = await import(${JSON.stringify(module)});
    const thread = new PasswordThread(console);
    await new Promise((resolve) => {
      const alive = setInterval(() => {}, 1000);
      thread.matches('x', '${hashSync('x', 4)}').then((matches) => { clearInterval(alive); console.log(matches); resolve(); });
    });`;
  const { status, stdout } = await run(process.execPath, ['--input-type=module', '-e', source]);
  expect([status, stdout]).toEqual([0, 'true\n']);
});

test('stopping ends what is being checked', async () => {
  const { thread, logged } = make();
  const checked = thread.matches('x', hashSync('x', 11));
  setImmediate(() => thread.stop());
  await expect(checked).rejects.toThrow('the proxy is ending');
  expect(logged).toEqual([]);
});
