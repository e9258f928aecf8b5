/** The commands of README.md, as a user types them. */
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { run, temporaryDirectory, until } from '../support/processes.ts';
import { startCommand, writeConfig } from '../support/proxy.ts';

const UPSTREAM = 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE/api/v1/remote_write';

test('finds a good configuration good, and tells what has no effect', async () => {
  const file = await writeConfig({ remote_write: [{ url: UPSTREAM, follow_redirects: true }] });
  const { status, stdout, stderr } = await startCommand(['--config', file, '--check-config']).ended();
  expect({ status, stdout }).toEqual({ status: 0, stdout: `${file}: the configuration can be used\n` });
  expect(stderr).toMatch(/^warning: .*follow_redirects.*redirects are never followed/);
});

test('warns of files that cannot be read here, and does not start without them', async () => {
  const cert_file = `${await temporaryDirectory()}/tls.crt`;
  const file = await writeConfig({
    server: { tls: { cert_file, key_file: import.meta.filename } },
    remote_write: [{ url: UPSTREAM }],
  });
  const named = `server.tls.cert_file is ${cert_file}, which cannot be read here (ENOENT); mount it, or correct the path`;
  const checked = await startCommand(['--config', file, '--check-config']).ended();
  expect(checked).toMatchObject({ status: 0, stderr: `warning: ${named}\n` });
  const started = await startCommand(['--config', file]).ended();
  expect(started.status).toBe(1);
  expect(started.stdout + started.stderr).toContain(named);
});

test('names every key that cannot be used, its value and the remedy', async () => {
  const file = await writeConfig({
    server: { shutdown_timeout: 'soon' },
    remote_write: [{ url: UPSTREAM, headers: { 'X-A': 'b' }, queue_config: { max_shards: 0, max_shard: 3 } }],
  });
  const { status, stdout, stderr } = await startCommand(['--config', file, '--check-config']).ended();
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  const problems = stderr.trim().split('\n');
  for (const named of [/shutdown_timeout.*soon/, /headers/, /max_shards.*0/, /max_shard\b/]) {
    expect(
      problems.some((line) => line.startsWith('error: ') && named.test(line)),
      `${named} in ${stderr}`,
    ).toBe(true);
  }
});

test('does not start with a configuration that it cannot use, or that is not there', async () => {
  const bad = await writeConfig({ remote_write: [] });
  expect(await startCommand(['--config', bad]).ended()).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/^error: .*remote_write/),
  });
  const missing = `${await temporaryDirectory()}/missing.yml`;
  expect(await startCommand(['--config', missing]).ended()).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(missing),
  });
});

test('prints its usage for --help with status 0, and for wrong usage with status 2', async () => {
  const help = await startCommand(['--help']).ended();
  expect(help).toMatchObject({ status: 0, stderr: '', stdout: expect.stringMatching(/^Usage: .*--config FILE/) });
  expect(await startCommand(['--version']).ended()).toMatchObject({
    status: 0,
    stdout: expect.stringContaining(packageJson.version),
  });
  for (const args of [['--no-such-flag'], ['stray'], [], ['--config']]) {
    const { status, stdout, stderr } = await startCommand(args).ended();
    expect({ args, status, stdout }).toEqual({ args, status: 2, stdout: '' });
    expect(stderr).toContain(help.stdout);
  }
});

test('the proxy says what is wrong when its port is taken', async () => {
  const config = {
    server: { listen: '127.0.0.1:0', admin_listen: '127.0.0.1:0' },
    // Keys of its own, so that nobody is asked for credentials.
    remote_write: [{ url: UPSTREAM, sigv4: { access_key: 'AKIANOACCOUNT', secret_key: 'of-no-account' } }],
  };
  const first = startCommand(['--config', await writeConfig(config)]);
  const [, port] = await first.ready(() => /"listen":"http:\/\/127\.0\.0\.1:(\d+)"/.exec(first.stdout) ?? undefined);
  const taken = { ...config, server: { ...config.server, listen: `127.0.0.1:${port}` } };
  const second = startCommand(['--config', await writeConfig(taken)]);
  await until('it ends', () => !second.running, 10_000);
  const { status, stdout } = await second.ended();
  expect({ status, stdout }).toEqual({ status: 1, stdout: expect.stringMatching(/cannot listen/) });
});

test('shows the demo for some seconds and loses nothing', async () => {
  const { status, stdout } = await run(process.execPath, ['src/dev/demo/main.ts', '--seconds', '3']);
  expect({ status, stdout }).toMatchObject({ status: 0 });
  const lines = stdout.trimEnd().split('\n');
  expect(stdout).toMatch(/remote_write:\n\s+- url: http:\/\/127\.0\.0\.1:\d+\/api\/v1\/write/);
  const [, received, delivered, rejected] =
    /^received=(\d+) delivered=(\d+) rejected=(\d+) lost=0$/.exec(lines.at(-1) ?? '') ?? [];
  expect(Number(received), `last line ${lines.at(-1)}`).toBeGreaterThan(1_000);
  expect(Number(delivered) + Number(rejected)).toBe(Number(received));
});
