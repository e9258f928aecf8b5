// A good sender beside connections that guess passwords: its requests/s and p99 without and with them, and how long
// logins that are not remembered yet take to get in. The guessers run in a process of their own.
//
//     node bench/guessing/main.ts --seconds 4 --guessers 100 --cost 10 --from 127.0.0.2
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { hashSync } from 'bcryptjs';
import { encodeProbe } from '../../src/commands/probe-request.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    guessers: { type: 'string', default: '100' },
    cost: { type: 'string', default: '10' },
    from: { type: 'string', default: '127.0.0.2' },
    workers: { type: 'string', default: '1' },
    'guess-at': { type: 'string' },
  },
});
const SECONDS = Number(values.seconds);
const GOOD_CONNECTIONS = 4;
const FRESH_LOGINS = 6;

function request(name: string, password: string): Buffer {
  const body = encodeProbe({ labels: { __name__: 'up', sender: name }, value: 1, timestampMs: Date.now() });
  const head = [
    'POST /api/v1/write HTTP/1.1',
    'Host: proxy',
    `Content-Length: ${body.length}`,
    'Content-Encoding: snappy',
    'Content-Type: application/x-protobuf',
    `Authorization: Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
}

/** Writes requests one after another, on a new connection when the last was closed. */
function loop(
  port: number,
  from: string,
  next: () => Buffer | undefined,
  answered: (status: number, ms: number) => void,
): void {
  const open = (): void => {
    const socket: Socket = connect({ port, host: '127.0.0.1', localAddress: from });
    let text = '';
    let at = 0;
    const send = (): void => {
      const bytes = next();
      if (bytes === undefined) return void socket.destroy();
      text = '';
      at = performance.now();
      socket.write(bytes);
    };
    socket.setNoDelay(true);
    socket.on('connect', send);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const head = text.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (head === -1 || text.length < head + 4 + length) return;
      answered(Number(text.slice(9, 12)), performance.now() - at);
      if (/connection: close/i.test(text)) socket.destroy();
      else send();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (next() !== undefined) setImmediate(open);
    });
  };
  open();
}

async function guess(port: number): Promise<void> {
  let count = 0;
  const statuses: Record<string, number> = {};
  for (let index = 0; index < Number(values.guessers); index += 1) {
    loop(
      port,
      values.from,
      () => request('good', `wrong ${(count += 1)}`),
      (status) => (statuses[status] = (statuses[status] ?? 0) + 1),
    );
  }
  await sleep(SECONDS * 1000 + 1500);
  process.stdout.write(`${JSON.stringify(statuses)}\n`);
  process.exit(0);
}

async function good(port: number): Promise<{ perSecond: number; p99: number; others: number }> {
  const times: number[] = [];
  let others = 0;
  let ended = false;
  const bytes = request('good', 'right');
  for (let index = 0; index < GOOD_CONNECTIONS; index += 1) {
    loop(
      port,
      '127.0.0.1',
      () => (ended ? undefined : bytes),
      (status, ms) => {
        if (status === 204) times.push(ms);
        else others += 1;
      },
    );
  }
  await sleep(SECONDS * 1000);
  ended = true;
  times.sort((a, b) => a - b);
  return { perSecond: times.length / SECONDS, p99: times[Math.floor(times.length * 0.99)] ?? Infinity, others };
}

/** Measures how long each login took until it was admitted, in ms; Infinity if it was not. */
async function freshLogins(port: number): Promise<number[]> {
  const took: number[] = [];
  for (let index = 0; index < FRESH_LOGINS; index += 1) {
    const startedAtMs = performance.now();
    const giveUpAtMs = startedAtMs + (SECONDS * 1000) / FRESH_LOGINS;
    const done = await new Promise<boolean>((resolve) => {
      let isIn = false;
      loop(
        port,
        '127.0.0.1',
        () => (isIn || performance.now() > giveUpAtMs ? undefined : request(`fresh${index}`, 'right')),
        (status) => {
          if (status === 204) {
            isIn = true;
            resolve(true);
          }
        },
      );
      setTimeout(() => resolve(false), giveUpAtMs - startedAtMs);
    });
    took.push(done ? Math.round(performance.now() - startedAtMs) : Infinity);
  }
  return took;
}

async function line(child: ChildProcess, pattern: RegExp): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = pattern.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('close', () => reject(new Error(`ended before it said ${String(pattern)}:\n${text}`)));
  });
}

async function main(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'amp-write-proxy-guessing-'));
  const upstream = createServer((incoming, response) => {
    incoming.resume().once('end', () => response.writeHead(200).end());
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => void upstream.once('listening', resolve));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a listening TCP server has an AddressInfo
  const { port: upstreamPort } = upstream.address() as AddressInfo;
  const names = ['good', ...Array.from({ length: 2 * FRESH_LOGINS }, (_, index) => `fresh${index}`)];
  const hash = hashSync('right', Number(values.cost));
  writeFileSync(path.join(folder, 'users'), names.map((name) => `${name}:${hash}\n`).join(''));
  const sigv4 = { region: 'us-west-2', access_key: 'AKIDEXAMPLE', secret_key: 'secret' };
  const config = {
    server: {
      listen: '127.0.0.1:0',
      admin_listen: '127.0.0.1:0',
      auth: { basic_auth_file: path.join(folder, 'users') },
    },
    remote_write: [{ url: `http://127.0.0.1:${upstreamPort}/workspaces/ws-1/api/v1/remote_write`, sigv4 }],
  };
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  const proxy = spawn(process.execPath, [
    '--max-semi-space-size=8',
    'src/commands/serve.ts',
    '--config',
    path.join(folder, 'config.json'),
  ]);
  try {
    const port = Number(await line(proxy, /"listen":"http:\/\/127\.0\.0\.1:(\d+)"/));
    await good(port); // warms up, and is remembered
    const alone = await good(port);
    const guesser = spawn(process.execPath, [
      import.meta.filename,
      ...process.argv.slice(2),
      '--guess-at',
      String(port),
    ]);
    const told = line(guesser, /(\{.*\})/);
    await sleep(1000);
    const [beside, logins] = await Promise.all([good(port), freshLogins(port)]);
    process.stdout.write(
      `${JSON.stringify({ alone, beside, ratio: beside.perSecond / alone.perSecond, loginsMs: logins.map(String), guesses: JSON.parse(await told) })}\n`,
    );
  } finally {
    proxy.kill();
    upstream.closeAllConnections();
    upstream.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (values['guess-at'] === undefined) await main();
else await guess(Number(values['guess-at']));
