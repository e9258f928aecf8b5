/**
 * Answers a request whose body is not worth reading.
 *
 * Most senders read an answer only when they have written their whole body, and a connection that is closed with bytes
 * unread is reset, which destroys the answer. So the answer is written immediately and whole, and the rest of the body
 * is read and thrown away, up to a bound in bytes and time, before the exchange is ended.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

export const LINGER_MS = 2_000;
export const LINGER_BYTES = 64 * 1024 * 1024;

/** @param headers in addition to Content-Type and Content-Length */
export function answerText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string | number> = {},
): void {
  const body = `${text}\n`;
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  if (request.complete) response.end(body);
  else lingerOver(request, response, body);
}

function lingerOver(request: IncomingMessage, response: ServerResponse, body: string): void {
  const { socket } = request;
  let bytes = 0;
  response.write(body);
  if (request.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  request.removeAllListeners('data');
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > LINGER_BYTES) socket.destroy();
  });
  request.once('end', () => response.end());
  request.once('close', () => clearTimeout(timer));
}
