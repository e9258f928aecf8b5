import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SandboxClient } from '../../../src/dev/sandbox/client.ts';
import type { Sandbox } from '../../../src/dev/sandbox/sandbox.ts';
import { startSandbox } from '../../../src/dev/sandbox/sandbox.ts';
import { encodeBody, encodeHistogram, postSigned } from '../../support/sandbox-request.ts';

const T = 1_700_000_000_000;
const MAIN = fileURLToPath(new URL('../../../src/dev/sandbox/main.ts', import.meta.url));

let sandbox: Sandbox;
let client: SandboxClient;

beforeAll(async () => {
  sandbox = await startSandbox();
  client = new SandboxClient(sandbox.controlUrl);
});

afterAll(async () => {
  await sandbox.close();
});

afterEach(async () => {
  await client.reset();
  await client.setClockOffset(0);
});

async function write(job: string, value: number | bigint = 1): Promise<number> {
  return (await postSigned(sandbox, encodeBody([{ labels: { __name__: 'up', job }, samples: [[T, value]] }]))).status;
}

describe('the control API tells', () => {
  test('every series with timestamps as decimals and values as the hex of their 8 bytes', async () => {
    const histogram = encodeHistogram(T);
    await write('a', 0x7ff0000000000002n);
    await postSigned(sandbox, encodeBody([{ labels: { __name__: 'h' }, histograms: [histogram] }]));
    expect(await client.series()).toEqual([
      {
        key: '{__name__="up", job="a"}',
        labels: { __name__: 'up', job: 'a' },
        samples: [['1700000000000', '7ff0000000000002']],
        histograms: [],
      },
      {
        key: '{__name__="h"}',
        labels: { __name__: 'h' },
        samples: [],
        histograms: [['1700000000000', histogram.toString('hex')]],
      },
    ]);
  });

  test('only the series that a bare selector matches', async () => {
    await write('a');
    await write('b');
    const keysOf = async (match: string): Promise<string[]> =>
      (await client.series(match)).map(({ labels }) => labels['job'] ?? '');
    expect(await keysOf('up')).toEqual(['a', 'b']);
    expect(await keysOf('{job="b"}')).toEqual(['b']);
    expect(await keysOf('up{job="a", __name__="up"}')).toEqual(['a']);
    expect(await keysOf('down')).toEqual([]);
    await expect(client.series('rate(up[5m])')).rejects.toThrow(/400/u);
  });

  test('counts, and the log of requests without secrets', async () => {
    const key = sandbox.keys.issueTemporary('arn:aws:sts::123456789012:assumed-role/r/s', 60);
    const body = encodeBody([{ labels: { __name__: 'up' }, samples: [[T, 1]] }]);
    await postSigned({ ...key, remoteWriteUrl: sandbox.remoteWriteUrl }, body);
    expect(await client.stats()).toMatchObject({
      requests: 1,
      requestsByStatus: { 200: 1 },
      bytesReceived: body.length,
      received: { series: 1, samples: 1 },
      accepted: 1,
      stored: { series: 1, samples: 1 },
    });
    const requests = await client.requests();
    expect(requests).toMatchObject([
      { status: 200, fault: null, samples: 1, bytes: body.length, seriesKeys: ['{__name__="up"}'] },
    ]);
    const shown = JSON.stringify(requests);
    expect(shown).toContain('x-amz-date');
    for (const secret of [key.sessionToken, key.secretAccessKey, 'Signature=']) expect(shown).not.toContain(secret);
  });
});

describe('the control API changes', () => {
  test('faults, while the data port hangs or is down', async () => {
    const ids = await client.addFaults({ action: { kind: 'down' } }, { target: 'sts', action: { kind: 'hang' } });
    expect((await client.faults()).map(({ id }) => id)).toEqual(ids);
    await expect(write('a')).rejects.toThrow(/./u);
    await client.clearFaults('amp');
    expect(await write('a')).toBe(200);
    expect(await client.faults()).toHaveLength(1);
    await client.replaceFaults({ action: { kind: 'status', status: 503 } });
    expect(await write('a')).toBe(503);
    await client.clearFaults();
    expect(await write('a')).toBe(200);
  });

  test('no fault that it does not know', async () => {
    const reply = await fetch(`${sandbox.controlUrl}/sandbox/faults`, {
      method: 'POST',
      body: '{"action":{"kind":"hiccup"}}',
    });
    expect(reply.status).toBe(400);
    expect((await fetch(`${sandbox.controlUrl}/sandbox/other`)).status).toBe(404);
  });

  test('clock, keys, rules and tokens', async () => {
    await client.setClockOffset(600_000);
    expect(await write('a')).toBe(403);
    await client.setClockOffset(0);
    const old = { accessKeyId: sandbox.accessKeyId, secretAccessKey: sandbox.secretAccessKey };
    const rotated = await client.changeCredentials({ rotate: true });
    expect((await postSigned({ ...old, remoteWriteUrl: sandbox.remoteWriteUrl }, encodeBody([]))).status).toBe(403);
    expect((await postSigned({ ...rotated, remoteWriteUrl: sandbox.remoteWriteUrl }, encodeBody([]))).status).toBe(200);
    const key = sandbox.keys.issueTemporary('arn:aws:sts::123456789012:assumed-role/r/s', 60);
    await client.changeCredentials({ expireTemporary: true });
    expect((await postSigned({ ...key, remoteWriteUrl: sandbox.remoteWriteUrl }, encodeBody([]))).text).toContain(
      'is expired',
    );
    expect((await client.changeRules({ maxRequestBytes: 1 })).maxRequestBytes).toBe(1);
    expect(await write('a')).toBe(413);
    await client.changeRules({ maxRequestBytes: 1_000_000 });
    const [, claims = ''] = (await client.issueWebIdentityToken({ sub: 'me' })).split('.');
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({ sub: 'me', iss: sandbox.stsUrl });
  });
});

describe('the command', () => {
  test('serves until SIGTERM and then exits 0', async () => {
    const child = spawn(process.execPath, [MAIN, '--quiet', '--region', 'eu-west-1']);
    const [line] = await once(child.stdout, 'data');
    const { controlUrl, region }: { controlUrl: string; region: string } = JSON.parse(String(line));
    expect(region).toBe('eu-west-1');
    expect((await new SandboxClient(controlUrl).stats()).requests).toBe(0);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('explains itself, and refuses what it does not know with 2', async () => {
    const [help, unknown, port] = await Promise.all([run('--help'), run('--colour'), run('--port', 'x')]);
    expect(help).toEqual([0, expect.stringContaining('--token-file')]);
    expect(unknown).toEqual([2, expect.stringContaining('--colour')]);
    expect(port[0]).toBe(2);
  });
});

/** Runs the command to its end. @returns exit code and everything it printed. */
async function run(...args: string[]): Promise<[unknown, string]> {
  const child = spawn(process.execPath, [MAIN, ...args]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = await once(child, 'close');
  return [code, output];
}
