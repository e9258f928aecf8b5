/** A sender on a connection of its own that a test writes bytes to, and bodies that can be told from one another. */
import type { Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { rawConnection, until } from './loopback.ts';
import { encodeBody } from './parcels.ts';
import { rawRequest } from './receiving.ts';

export interface LaneSender {
  readonly socket: Socket;
  /** All that was answered. */
  readonly text: () => string;
  /** Resolves with the statuses when so many answers are there, or no more can come. */
  readonly statuses: (count: number) => Promise<number[]>;
}

/** Its connection is cut when the test is over. */
export async function connectSender(port: number): Promise<LaneSender> {
  const socket = await rawConnection(port);
  onTestFinished(() => void socket.destroy());
  socket.setNoDelay(true);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const found = (): number[] => [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
  const statuses = async (count: number): Promise<number[]> => {
    await until(() => found().length >= count || socket.closed, `${count} answers`);
    return found();
  };
  return { socket, text: () => text, statuses };
}

/** A valid body of about so many bytes, or of one series. */
export function bodyOf(mark: string, bytes = 0): Buffer {
  const count = Math.max(1, Math.floor(bytes / 24));
  return encodeBody(
    Array.from({ length: count }, (_, index) => ({
      name: `${mark}_${((index + 1) * 7919) ** 3}`,
      timestamps: [index ** 3],
    })),
  );
}

/** A request whose body comes in chunks, the only one with it; or its head alone. */
export function chunkedRequest(body?: Buffer, more: readonly string[] = []): Buffer {
  const head = rawRequest(Buffer.alloc(0), ['Transfer-Encoding: chunked', ...more]);
  if (body === undefined) return head;
  return Buffer.concat([head, Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]);
}
