import { describe, expect, test } from 'vitest';
import { localUrl } from '../../src/commands/healthcheck.ts';
import { startPair, writeConfig } from '../support/proxy.ts';
import { freePort, run } from '../support/processes.ts';

const ENTRY = { url: 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE/api/v1/remote_write' };

async function command(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return run(process.execPath, ['src/cli.ts', ...args]);
}

describe('healthcheck', () => {
  test.each([
    ['0.0.0.0', 'http://127.0.0.1:8006'],
    ['::', 'http://localhost:8006'],
    ['', 'http://localhost:8006'],
    ['192.0.2.7', 'http://192.0.2.7:8006'],
    ['fd00::7', 'http://[fd00::7]:8006'],
  ])('reaches an admin port on %j at %s', (host, url) => {
    expect(localUrl({ host, port: 8006 })).toBe(url);
  });

  test('says 0 while the proxy lives', async () => {
    const { proxy } = await startPair();
    const config = await writeConfig({
      server: { admin_listen: proxy.adminUrl.replace('http://', '') },
      remote_write: [ENTRY],
    });
    const { status, stdout } = await command('healthcheck', '--config', config);
    expect(stdout).toContain('/-/healthy: 200 healthy');
    expect(status).toBe(0);
  });

  test('says 1 and why when nobody listens, and when the configuration cannot be read', async () => {
    const server = { admin_listen: `127.0.0.1:${await freePort()}` };
    const config = await writeConfig({ server, remote_write: [ENTRY] });
    expect(await command('healthcheck', '--config', config)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('ECONNREFUSED'),
    });
    expect(await command('healthcheck', '--config', '/nonexistent.yaml')).toMatchObject({ status: 1 });
  });

  test('says 2 for wrong usage', async () => {
    expect(await command('healthcheck')).toMatchObject({ status: 2, stderr: expect.stringContaining('--config') });
  });
});

describe('probe', () => {
  test('says 0 when the sample has arrived', async () => {
    const { sandbox, proxy } = await startPair();
    const urls = ['--write-url', proxy.writeUrl, '--metrics-url', `${proxy.adminUrl}/metrics`];
    const { status, stdout } = await command('probe', ...urls, '--metric', 'probe_arrives');
    expect(stdout).toContain('delivered 0 -> 1');
    expect(status).toBe(0);
    expect(JSON.stringify(await sandbox.client.series())).toContain('probe_arrives');
  });

  test('says 1 with the answer when AMP refuses to take it', async () => {
    const { proxy } = await startPair({ sigv4: { region: 'us-west-2', access_key: 'AKIAWRONG', secret_key: 'wrong' } });
    const urls = ['--write-url', proxy.writeUrl, '--metrics-url', `${proxy.adminUrl}/metrics`];
    const { status, stderr } = await command('probe', ...urls, '--timeout', '3');
    expect(stderr).toMatch(/not delivered: .*(503|aborted)/);
    expect(status).toBe(1);
  });

  test('says 1 at once for an answer that does not change', async () => {
    const { proxy } = await startPair();
    const urls = ['--write-url', `${proxy.url}/nowhere`, '--metrics-url', `${proxy.adminUrl}/metrics`];
    const { status, stderr } = await command('probe', ...urls);
    expect(stderr).toContain('answers 404');
    expect(status).toBe(1);
  });
});
