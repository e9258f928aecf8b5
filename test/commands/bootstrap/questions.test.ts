/** Questions and confirmations, on a real pseudo-terminal (util-linux's `script`), against moto. */
import { spawn, spawnSync } from 'node:child_process';

import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';

import { aws, LOCK_TIMEOUT_MS, lockMoto, MOTO_URL, resetMoto, WHY_NO_MOTO } from '../../support/moto.ts';
import { ROOT, until } from '../../support/processes.ts';
import { stretched } from '../../support/slowness.ts';

const HAS_SCRIPT = String(spawnSync('script', ['--version']).stdout).includes('util-linux');
const WHY_NOT = HAS_SCRIPT ? WHY_NO_MOTO : 'there is no `script` of util-linux';

const ENTER = '\r';
const DOWN = '\u001B[B';
const CTRL_C = '\u0003';

describe.skipIf(WHY_NOT !== '')(`bootstrap on a terminal ${WHY_NOT}`, () => {
  let unlock: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    unlock = await lockMoto();
  }, stretched(LOCK_TIMEOUT_MS));
  beforeEach(resetMoto);
  afterAll(async () => unlock?.());

  test('asks for what is missing, offers the names of the AMP user guide, and then asks for a yes', async () => {
    const terminal = new Terminal('apply');
    await terminal.answer('Region of the workspace', ENTER);
    await terminal.answer('Alias of the workspace', `prod${ENTER}`);
    await terminal.answer('Where does Prometheus run?', DOWN, ENTER);
    await terminal.answer('URL of its OIDC issuer', `https://oidc.example.com/id/C${ENTER}`);
    await terminal.answer('Namespace', ENTER);
    await terminal.answer('Service account', ENTER);
    await terminal.answer('Name of the role', ENTER);
    await terminal.answer('Name of the policy', ENTER);
    await terminal.answer('Make it so?', DOWN, ENTER);
    expect(await terminal.ended()).toBe(0);
    const role = (await aws(['iam', 'get-role', '--role-name', 'amp-iamproxy-ingest-role'])).at('Role');
    expect(role.at('Tags').tags).toEqual({ 'amp-write-proxy:bootstrap': 'prod' });
  });

  test('changes nothing when the answer is no, or Ctrl-C', async () => {
    for (const keys of [ENTER, CTRL_C]) {
      const terminal = new Terminal('apply', '--oidc-issuer', 'https://oidc.example.com/id/C');
      await terminal.answer('Make it so?', keys);
      expect(await terminal.ended()).toBe(1);
      expect(terminal.screen).toContain('stopped, nothing was changed');
    }
    expect((await aws(['amp', 'list-workspaces'])).at('workspaces').list).toEqual([]);
  });

  test('asks before it destroys, and says what bears our tag', async () => {
    const made = new Terminal('apply', '--oidc-issuer', 'https://oidc.example.com/id/C', '--yes');
    expect(await made.ended()).toBe(0);
    const refused = new Terminal('destroy');
    await refused.answer('Remove them; the workspace is kept?', ENTER);
    expect(await refused.ended()).toBe(1);
    const agreed = new Terminal('destroy', '--delete-data');
    await agreed.answer('the workspace and all its data included?', DOWN, ENTER);
    expect(await agreed.ended()).toBe(0);
    expect(agreed.screen).toContain('- role');
    expect((await aws(['amp', 'list-workspaces'])).at('workspaces').list).toEqual([]);
  });
});

/** The command on a terminal of 80 columns. */
class Terminal {
  readonly #child;
  readonly #closed: Promise<number | null>;
  #seen = 0;
  screen = '';

  constructor(...args: readonly string[]) {
    const command = [
      process.execPath,
      `${ROOT}/src/commands/bootstrap/main.ts`,
      ...args,
      '--create-oidc-provider',
    ].join(' ');
    this.#child = spawn('script', ['-qfec', `stty cols 80; ${command}`, '/dev/null'], {
      env: {
        ...process.env,
        TERM: 'xterm',
        AWS_ENDPOINT_URL: MOTO_URL,
        AWS_REGION: 'us-west-2',
        AWS_ACCESS_KEY_ID: 'testing',
        AWS_SECRET_ACCESS_KEY: 'testing',
      },
    });
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.screen += chunk.toString();
    });
    this.#closed = new Promise((resolve) => {
      this.#child.once('close', resolve);
    });
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  /** Waits for the question, then presses keys. */
  async answer(question: string, ...keys: readonly string[]): Promise<void> {
    const at = await until(`the question ${question}`, () => {
      const found = this.#text().indexOf(question, this.#seen);
      return found < 0 ? undefined : found;
    });
    this.#seen = at + question.length;
    for (const key of keys) {
      this.#child.stdin.write(key);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  ended(): Promise<number | null> {
    return this.#closed;
  }

  /** Without colours and cursor movements. */
  #text(): string {
    // oxlint-disable-next-line eslint/no-control-regex -- escape sequences begin with a control character
    return this.screen.replaceAll(/\u001B\[[\d;?]*[a-zA-Z]/gu, '');
  }
}
