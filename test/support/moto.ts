/**
 * moto, an AWS control plane that others wrote, where the environment says there is one (MOTO_URL), and the AWS CLI
 * (MOTO_AWS_CLI, else `aws` on PATH) to read results back with. Tests without them are skipped for all to see.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export const MOTO_URL = process.env['MOTO_URL'] ?? '';
const AWS_CLI = process.env['MOTO_AWS_CLI'] ?? 'aws';

/** Why tests against moto are skipped; empty when they are not. */
export const WHY_NO_MOTO = whyNot();

function whyNot(): string {
  if (MOTO_URL === '') return 'MOTO_URL is not set';
  return spawnSync(AWS_CLI, ['--version']).status === 0 ? '' : 'no AWS CLI: set MOTO_AWS_CLI';
}

export async function resetMoto(): Promise<void> {
  await fetch(`${MOTO_URL}/moto-api/reset`, { method: 'POST' });
}

/** Long enough for every other test file to be done with moto. */
export const LOCK_TIMEOUT_MS = 600_000;

/** There is one moto, and a reset is for everybody: test files take turns. @returns what gives it back */
export async function lockMoto(): Promise<() => Promise<void>> {
  const lock = join(tmpdir(), `moto-of-${MOTO_URL.replaceAll(/\W+/gu, '-')}`);
  const owner = join(lock, 'pid');
  for (;;) {
    try {
      await mkdir(lock);
      await writeFile(owner, String(process.pid));
      return () => rm(lock, { recursive: true, force: true });
    } catch {
      const pid = Number(await readFile(owner, 'utf8').catch(() => String(process.pid)));
      if (!isAlive(pid)) await rm(lock, { recursive: true, force: true });
      await sleep(250);
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

export interface CliOptions {
  readonly region?: string;
  readonly endpoint?: string;
}

/** Runs the AWS CLI. @returns what it printed, parsed */
export async function aws(args: readonly string[], options: CliOptions = {}): Promise<AwsJson> {
  const env = {
    ...process.env,
    AWS_ENDPOINT_URL: options.endpoint ?? MOTO_URL,
    AWS_REGION: options.region ?? 'us-west-2',
    // Version 1 of the CLI reads this one only.
    AWS_DEFAULT_REGION: options.region ?? 'us-west-2',
    AWS_ACCESS_KEY_ID: 'testing',
    AWS_SECRET_ACCESS_KEY: 'testing',
    AWS_PAGER: '',
  };
  const { stdout } = await promisify(execFile)(AWS_CLI, [...args, '--output', 'json'], { env });
  const value: unknown = stdout.trim() === '' ? {} : JSON.parse(stdout);
  return new AwsJson(value);
}

/** One value of the CLI's answer, walked by name. */
export class AwsJson {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }

  at(...path: readonly (string | number)[]): AwsJson {
    let value = this.value;
    for (const step of path) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- JSON of the CLI, walked by name
      value = (value as Record<string | number, unknown> | undefined)?.[step];
    }
    return new AwsJson(value);
  }

  get text(): string {
    if (typeof this.value !== 'string') throw new TypeError(`no text: ${JSON.stringify(this.value)}`);
    return this.value;
  }

  get list(): AwsJson[] {
    if (!Array.isArray(this.value)) throw new TypeError(`no list: ${JSON.stringify(this.value)}`);
    return this.value.map((item: unknown) => new AwsJson(item));
  }

  /** IAM's list of tags as an object. */
  get tags(): Record<string, string> {
    return Object.fromEntries(this.list.map((tag) => [tag.at('Key').text, tag.at('Value').text]));
  }
}
