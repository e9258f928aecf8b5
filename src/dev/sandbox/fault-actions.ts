/** Faults on an open connection. Each ends the connection, or leaves it hanging on purpose. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultAction } from './faults.ts';
import type { Answer } from './listener.ts';

const CUT_RESPONSE = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\ncut here';

/** Plays a fault that sends no regular answer. */
export async function playFault(action: FaultAction, socket: Socket): Promise<void> {
  switch (action.kind) {
    case 'hang':
      return;
    case 'garbage':
      socket.end(action.text ?? '\u0000\u0001\u0002 this is not HTTP \u00ff\r\n\r\n');
      return;
    case 'truncate':
      socket.end(CUT_RESPONSE);
      return;
    case 'reset':
      if (action.at === 'during-response') {
        await flush(socket, CUT_RESPONSE);
        // Long enough for the other side to read the head, so that it meets the reset inside the body.
        await sleep(50);
      }
      destroyHard(socket);
      return;
    case 'status':
    case 'delay':
    case 'drip':
    case 'close-idle':
    case 'down':
    case 'credentials':
      throw new Error(`${action.kind} is not played on the socket`);
  }
}

/** An answer as the bytes of HTTP/1.1, for sending by hand. */
export function rawResponse(answer: Answer, date: string): Buffer {
  const head = [
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}`,
    `date: ${date}`,
    ...Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${Buffer.byteLength(answer.body)}`,
    'connection: close',
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), Buffer.from(answer.body)]);
}

/** Sends one byte every `intervalMs`; stops when the other side goes away. */
export async function drip(socket: Socket, bytes: Buffer, intervalMs: number): Promise<void> {
  for (const byte of bytes) {
    if (socket.destroyed) return;
    socket.write(Buffer.of(byte));
    await sleep(intervalMs);
  }
  socket.end();
}

/** A TCP reset where the connection allows it; a TLS one can only be cut. */
export function destroyHard(socket: Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    socket.destroy();
  }
}

async function flush(socket: Socket, text: string): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.write(text, () => resolve());
  });
}
