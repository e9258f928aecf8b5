// A good sender beside attackers that send the worst requests within the limits, one after another: how long its answers
// take without them and with them. The upstream answers everything at once. Attackers and upstream run in processes of
// their own.
//
//     node bench/attackers/main.ts --seconds 5 --attackers 1,2,10 --kind 'unknown groups' --same-address
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { encodeProbe } from '../../src/commands/probe-request.ts';
import { HOSTILE_KINDS } from '../../test/support/hostile-bodies.ts';
import { sinkStarted } from '../rig/messages.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    attackers: { type: 'string', default: '1,2,10' },
    kind: { type: 'string', multiple: true },
    'same-address': { type: 'boolean', default: false },
    /** An option of an attacker's process. */
    'body-file': { type: 'string' },
    port: { type: 'string', default: '0' },
    from: { type: 'string', default: '127.0.0.1' },
  },
});
const SECONDS = Number(values.seconds);
const KINDS = values.kind ?? [
  'series of plain labels',
  'unknown groups',
  'copies that repeat 15 bytes',
  'many pieces',
  'pieces that copy from far',
];
const GOOD_PAUSE_MS = 10;
const WARM_UP_MS = 1_500;

interface Answer {
  readonly status: number;
  readonly ms: number;
}

async function post(port: number, agent: Agent, localAddress: string, body: Buffer): Promise<Answer> {
  const startedAtMs = performance.now();
  const headers = {
    'content-type': 'application/x-protobuf',
    'content-encoding': 'snappy',
    'content-length': body.length,
  };
  return new Promise((resolve) => {
    const ended = (status: number): void => resolve({ status, ms: performance.now() - startedAtMs });
    const options = { port, host: '127.0.0.1', localAddress, agent, method: 'POST', path: '/api/v1/write', headers };
    const sent = request(options, (response) => {
      response.resume();
      response.once('close', () => ended(response.statusCode ?? 0));
    });
    sent.once('error', () => ended(0));
    sent.end(body);
  });
}

/** Sends the body again and again, until this process is ended. */
async function attack(): Promise<never> {
  const body = readFileSync(values['body-file'] ?? '');
  const agent = new Agent({ keepAlive: true });
  for (;;) {
    const { status, ms } = await post(Number(values.port), agent, values.from, body);
    process.send?.({ status, ms });
    if (status !== 204) await sleep(20);
  }
}

async function good(port: number, agent: Agent): Promise<{ sorted: number[]; refused: number }> {
  const took: number[] = [];
  let refused = 0;
  const endsAtMs = performance.now() + SECONDS * 1000;
  while (performance.now() < endsAtMs) {
    const body = encodeProbe({ labels: { __name__: 'up', sender: 'good' }, value: 1, timestampMs: Date.now() });
    const { status, ms } = await post(port, agent, '127.0.0.1', body);
    took.push(ms);
    if (status !== 204) refused += 1;
    await sleep(GOOD_PAUSE_MS);
  }
  return { sorted: took.toSorted((a, b) => a - b), refused };
}

function row(name: string, { sorted, refused }: { sorted: number[]; refused: number }, attacks = ''): void {
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1).padStart(8);
  console.log(`${name.padEnd(52)} ${at(0.5)} ${at(0.99)} ${at(1)} ${String(refused).padStart(8)}   ${attacks}`);
}

async function besides(port: number, kind: string, attackers: number, folder: string): Promise<void> {
  const body = HOSTILE_KINDS.find(({ name }) => name === kind)?.make({ bodyBytes: 10 << 20, rawBytes: 64 << 20 });
  if (body === undefined) throw new Error(`no kind is named ${kind}; test/support/hostile-bodies.ts has them`);
  const file = path.join(folder, 'body');
  writeFileSync(file, body);
  const statuses: Record<string, number> = {};
  const children: ChildProcess[] = Array.from({ length: attackers }, (_, index) => {
    const from = values['same-address'] ? '127.0.0.1' : `127.0.0.${index + 2}`;
    const child = fork(import.meta.filename, ['--port', String(port), '--from', from, '--body-file', file]);
    child.on('message', ({ status }: Answer) => (statuses[status] = (statuses[status] ?? 0) + 1));
    return child;
  });
  const agent = new Agent({ keepAlive: true });
  await sleep(WARM_UP_MS);
  const found = await good(port, agent);
  for (const child of children) child.kill();
  agent.destroy();
  row(`${attackers} x ${kind}`, found, JSON.stringify(statuses));
  await sleep(500);
}

async function main(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'amp-write-proxy-attackers-'));
  const sink = fork(path.join(import.meta.dirname, '../rig/sink.ts'), [JSON.stringify({ requireSignature: false })]);
  const [started] = await once(sink, 'message');
  const sigv4 = { region: 'us-west-2', access_key: 'AKIDEXAMPLE', secret_key: 'secret' };
  const url = `http://127.0.0.1:${sinkStarted.parse(started).port}/workspaces/ws-1/api/v1/remote_write`;
  const config = {
    server: { listen: '127.0.0.1:0', admin_listen: '127.0.0.1:0' },
    remote_write: [{ url, sigv4 }],
  };
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  const args = ['--max-semi-space-size=8', 'src/commands/serve.ts', '--config', path.join(folder, 'config.json')];
  const proxy = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const port = await new Promise<number>((resolve) => {
      let text = '';
      proxy.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        const found = /"listen":"http:\/\/127\.0\.0\.1:(\d+)"/.exec(text)?.[1];
        if (found !== undefined) resolve(Number(found));
      });
    });
    const agent = new Agent({ keepAlive: true });
    console.log(`${'a good sender beside'.padEnd(52)}   p50 ms   p99 ms   max ms  not 204   answers to the attackers`);
    row('nobody', await good(port, agent));
    agent.destroy();
    for (const kind of KINDS) {
      for (const attackers of values.attackers.split(',')) await besides(port, kind, Number(attackers), folder);
    }
  } finally {
    proxy.kill();
    sink.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (values['body-file'] === undefined) await main();
else await attack();
